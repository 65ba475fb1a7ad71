"""WHAT: frozen data. No behaviour beyond itself, no I/O, nothing from outside."""

"""SHOW: a command is parse, one client call, render."""

"""TOUCH: the only code that knows the operating system."""

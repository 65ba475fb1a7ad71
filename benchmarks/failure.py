"""What goes wrong while measuring."""


class Failed(Exception):
    """A benchmark, or one side of it, could not be measured; the text says why."""

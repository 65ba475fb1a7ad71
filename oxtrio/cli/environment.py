"""The caller's environment: all that the command line takes from the operating system itself."""

from os import environ

__all__ = ["environ"]

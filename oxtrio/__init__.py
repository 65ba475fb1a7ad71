"""oxtrio: a process supervisor for Python people, built on Trio's structured concurrency."""

__version__ = "0.1.0"

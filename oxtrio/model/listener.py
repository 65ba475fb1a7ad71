"""Who has an address."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """The process that listens on an address."""

    address: str
    """`127.0.0.1:8000`, `[::]:8000` or the path of a Unix socket."""
    pid: int | None
    """None where this user may not see whose socket it is."""
    uid: int | None = None
    name: str = ""
    """The short name of the process, as `ps` shows it."""
    command: str = ""
    """Its command line."""

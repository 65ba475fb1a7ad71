"""What all runs of one supervisor share: what touches the system, and facts of the project."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from oxtrio.logs.display import Display
from oxtrio.logs.store import LogStore
from oxtrio.process.record import Finished
from oxtrio.process.sockets import Sockets
from oxtrio.system.children import Children
from oxtrio.system.containment import Containment
from oxtrio.system.fifo import Scratch
from oxtrio.system.keepsakes import NOTHING_KEPT, Keepsakes


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Handed to every instance; nothing in it belongs to one app."""

    children: Children
    containment: Containment
    scratch: Scratch
    logs: LogStore
    sockets: Sockets
    display: Display | None
    """What `oxtrio run` shows; None in the background."""
    read_env_file: Callable[[str], Mapping[str, str]]
    """Raises `OxtrioError` where the file cannot be used."""
    project: str
    config: str
    socket: str
    keepsakes: Keepsakes = NOTHING_KEPT
    """What outlives this supervisor."""
    runs: str | None
    """Folder of pipes, marks and records; None: nothing may be written anywhere."""
    finished: Finished = field(default_factory=Finished)

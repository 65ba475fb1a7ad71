"""What a reader of oxfiles must know of the machine; handed in, never asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The surroundings in which an oxfile is read."""

    environ: Mapping[str, str]
    """For `${VAR}`."""
    home: str
    """For `~`."""
    cpus: int = 1
    """CPUs that this process may use: `instances = "max"`."""
    root: bool = False
    rlimits: Mapping[str, int] = field(default_factory=dict)
    """Hard limits of this process by name in lower case (`nofile`), -1 unlimited."""


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one oxfile; *path* is absolute, symlinks kept."""

    path: str
    text: str

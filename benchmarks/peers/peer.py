"""What a benchmark knows of a supervisor: commands and files, nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.workload import App

Argv = Sequence[str]


@dataclass(frozen=True, slots=True)
class Api:
    """One request over a Unix socket that asks for the state of all apps."""

    socket: Callable[[], Path | None]
    """None while there is none."""
    method: str
    target: str
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A supervisor with its apps, configured but not started."""

    serve: Argv
    """Starts it with all apps, as its users do."""
    foreground: Argv
    """The same, without going into the background."""
    environ: Mapping[str, str] = field(default_factory=dict)
    status: Argv | None = None
    stop: Argv | None = None
    """Stops all apps; None: SIGTERM to the supervisor does."""
    stop_one: Callable[[str], Argv] | None = None
    reload: Callable[[str], Argv] | None = None
    """Puts new code of one app into service; None: SIGHUP to what `serve` started does."""
    folder: Path | None = None
    """Where it is started; None: in the folder that it was prepared in."""
    api: Api | None = None
    logs: Mapping[str, Path] = field(default_factory=dict)
    """Where the output of each app goes; rotated files have a number behind the name."""


class Peer(Protocol):
    """A supervisor that can be measured."""

    name: str
    """With its version."""
    respawns: bool
    """Whether it starts an app again that has ended."""
    keeps_logs: bool
    """Whether it writes what apps say into files of their own."""

    def prepare(self, folder: Path, apps: Sequence[App]) -> Setup:
        """Write its configuration into *folder*; nothing is started."""
        ...

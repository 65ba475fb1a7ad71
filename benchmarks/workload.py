"""What is supervised."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True, slots=True)
class App:
    """One app, as every supervisor is told of it."""

    name: str
    argv: Sequence[str]
    restarts: bool = True
    """Started again after every end, without delay."""
    log_bytes: int = 100 * 2**20
    """Its log is rotated at this size; five old ones are kept."""
    folder: Path | None = None
    """Where it runs; None: anywhere."""
    health: str | None = None
    """A URL that answers `200` while it is well: then it is a server of the web."""
    handed: Sequence[str] = ()
    """The command of such a server where its socket is handed to it, as `{fd}`."""


def counted(count: int) -> str:
    return "1 app" if count == 1 else f"{count} apps"


def quiet(count: int, pipe: Path) -> list[App]:
    """Apps that announce themselves, then do nothing until SIGTERM."""
    return [announcing(f"app{number}", pipe) for number in range(count)]


def announcing(name: str, pipe: Path, script: str = "announce.sh") -> App:
    return App(name, ("/bin/sh", str(PROGRAMS / script), name, str(pipe)))

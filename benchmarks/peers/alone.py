"""No supervisor: a server that is run by hand."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.peer import Setup
from benchmarks.workload import App


class Alone:
    respawns = False
    keeps_logs = False

    def __init__(self, name: str = "by hand") -> None:
        self.name = name

    def prepare(self, folder: Path, apps: Sequence[App]) -> Setup:
        [app] = apps
        return Setup(serve=app.argv, foreground=app.argv, folder=app.folder)

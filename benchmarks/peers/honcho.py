"""Honcho: in the foreground, without control; when one app ends it stops all others."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.environment import Environment
from benchmarks.peers.peer import Setup
from benchmarks.workload import App


class Honcho:
    respawns = False
    keeps_logs = False

    def __init__(self, environment: Environment) -> None:
        self.name = f"honcho {environment.version('honcho')}"
        self._program = environment.program("honcho")

    def prepare(self, folder: Path, apps: Sequence[App]) -> Setup:
        procfile = folder / "Procfile"
        lines = [f"{app.name}: exec {' '.join(app.argv)}\n" for app in apps]
        procfile.write_text("".join(lines))
        serve = (self._program, "start", "-f", str(procfile))
        return Setup(serve=serve, foreground=serve)

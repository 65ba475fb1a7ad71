"""The floor: a loop of thirty lines that starts, waits, and starts again."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.peer import Setup
from benchmarks.workload import PROGRAMS, App


class Plain:
    name = "plain loop"
    respawns = True
    keeps_logs = True

    def prepare(self, folder: Path, apps: Sequence[App]) -> Setup:
        logs = {app.name: folder / f"{app.name}.log" for app in apps}
        specs = {
            app.name: {
                "argv": list(app.argv),
                "log": str(logs[app.name]),
                "restarts": app.restarts,
            }
            for app in apps
        }
        (folder / "apps.json").write_text(json.dumps(specs))
        command = (sys.executable, "-S", str(PROGRAMS / "plain.py"), str(folder / "apps.json"))
        return Setup(serve=command, foreground=command, logs=logs)

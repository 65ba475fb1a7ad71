"""oxtrio itself: the installed command, with everything that it keeps in a folder of its own."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.peer import Api, Setup
from benchmarks.workload import App


class Oxtrio:
    respawns = True
    keeps_logs = True

    def __init__(self, name: str = "oxtrio", *, holds: bool = True) -> None:
        self.name = name
        self._holds = holds
        """Whether it may hold the addresses of servers that it knows."""

    def prepare(self, folder: Path, apps: Sequence[App]) -> Setup:
        oxfile = folder / "oxfile.toml"
        home = folder / "home"
        logs = {app.name: folder / f"{app.name}.log" for app in apps}
        oxfile.write_text("\n".join(self._table(app, logs[app.name]) for app in apps))
        command = (*program(), "-c", str(oxfile))
        return Setup(
            serve=(*command, "start"),
            foreground=(*command, "run"),
            environ={"OXTRIO_HOME": str(home)},
            status=(*command, "status"),
            stop=(*command, "stop"),
            stop_one=lambda name: (*command, "stop", name),
            reload=lambda name: (*command, "reload", name),
            api=Api(lambda: next(home.glob("run/*/control.sock"), None), "GET", "/v1/status"),
            logs=logs,
        )

    def _table(self, app: App, log: Path) -> str:
        if app.health is None:
            return _table(app, log)
        return _web_table(app) + ("" if self._holds else "hold_port = false\n")


def _web_table(app: App) -> str:
    """As in the articles, but that it never has enough of starting it again."""
    return f"""\
[processes.{app.name}.health_check]
endpoint = {json.dumps(app.health)}
[processes.{app.name}]
command = {json.dumps(" ".join(app.argv))}
working_dir = {json.dumps(str(app.folder))}
restart_on_exit = true
restart_delay_ms = 0
max_restarts = 0
ready_timeout_secs = 10
"""


def _table(app: App, log: Path) -> str:
    name = f"processes.{app.name}"
    return f"""\
[{name}]
command = {json.dumps(list(app.argv))}
restart_on_exit = {json.dumps(app.restarts)}
restart_delay_ms = 0
max_restarts = 0
start_secs = 0
log_file = {json.dumps(str(log))}
[{name}.logs]
max_size_mb = {app.log_bytes // 2**20}
max_files = 5
"""


def program() -> tuple[str, ...]:
    """The command that is installed beside this Python, else the package itself."""
    installed = Path(sys.executable).with_name("oxtrio")
    return (str(installed),) if installed.exists() else (sys.executable, "-m", "oxtrio")

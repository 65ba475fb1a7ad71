"""Circus, with its endpoints on Unix sockets."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.peers.environment import Environment
from benchmarks.peers.peer import Setup
from benchmarks.workload import App


class Circus:
    respawns = True
    keeps_logs = True

    def __init__(self, environment: Environment) -> None:
        self.name = f"circus {environment.version('circus')}"
        self._program = environment.program

    def prepare(self, folder: Path, apps: Sequence[App]) -> Setup:
        config = folder / "circus.ini"
        logs = {app.name: folder / f"{app.name}.log" for app in apps}
        head = (
            f"[circus]\nendpoint = ipc://{folder}/c.sock\n"
            f"pubsub_endpoint = ipc://{folder}/p.sock\nstatsd = False\n"
        )
        config.write_text("\n".join([head, *(self._table(app, logs[app.name]) for app in apps)]))
        serve = (self._program("circusd"), str(config))
        control = (self._program("circusctl"), "--endpoint", f"ipc://{folder}/c.sock")
        return Setup(
            serve=serve,
            foreground=serve,
            status=(*control, "status"),
            stop=(*control, "stop"),
            stop_one=lambda name: (*control, "stop", name),
            reload=lambda name: (*control, "reload", name),
            logs=logs,
        )

    def _table(self, app: App, log: Path) -> str:
        return _table(app, log)


class CircusSockets(Circus):
    """Circus as its manual has it for web servers: it binds, and the command is another one."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.name += ", its sockets"

    def _table(self, app: App, log: Path) -> str:
        assert app.health is not None
        argv = [word.format(fd=f"$(circus.sockets.{app.name})") for word in app.handed]
        address = urlsplit(app.health)
        return f"""\
{_table(replace(app, argv=argv), log)}\
use_sockets = True
[socket:{app.name}]
host = {address.hostname}
port = {address.port}
"""


def _table(app: App, log: Path) -> str:
    return f"""\
[watcher:{app.name}]
cmd = {app.argv[0]}
args = {" ".join(app.argv[1:])}
respawn = {app.restarts}
max_retry = -1
copy_env = True
working_dir = {app.folder or log.parent}
graceful_timeout = 10
stdout_stream.class = FileStream
stdout_stream.filename = {log}
stdout_stream.max_bytes = {app.log_bytes}
stdout_stream.backup_count = 5
"""

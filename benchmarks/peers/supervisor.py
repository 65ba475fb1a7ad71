"""Supervisor, with its control socket."""

import xmlrpc.client
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.environment import Environment
from benchmarks.peers.peer import Api, Setup
from benchmarks.workload import App

_ASK = xmlrpc.client.dumps((), "supervisor.getAllProcessInfo").encode()


class Supervisor:
    respawns = True
    keeps_logs = True

    def __init__(self, environment: Environment) -> None:
        self.name = f"supervisor {environment.version('supervisor')}"
        self._program = environment.program

    def prepare(self, folder: Path, apps: Sequence[App]) -> Setup:
        config = folder / "supervisord.conf"
        socket = folder / "s.sock"
        logs = {app.name: folder / f"{app.name}.log" for app in apps}
        tables = [_table(app, logs[app.name]) for app in apps]
        config.write_text("\n".join([_head(folder, socket), *tables]))
        serve = (self._program("supervisord"), "-n", "-c", str(config))
        control = (self._program("supervisorctl"), "-c", str(config))
        return Setup(
            serve=serve,
            foreground=serve,
            status=(*control, "status"),
            stop=(*control, "stop", "all"),
            stop_one=lambda name: (*control, "stop", name),
            reload=lambda name: (*control, "restart", name),
            api=Api(lambda: socket if socket.exists() else None, "POST", "/RPC2", _ASK),
            logs=logs,
        )


def _head(folder: Path, socket: Path) -> str:
    return f"""\
[supervisord]
logfile = {folder}/supervisord.log
pidfile = {folder}/supervisord.pid
childlogdir = {folder}
[unix_http_server]
file = {socket}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix://{socket}
"""


def _table(app: App, log: Path) -> str:
    return f"""\
[program:{app.name}]
command = {" ".join(app.argv)}
autorestart = {str(app.restarts).lower()}
startsecs = {1 if app.health else 0}
directory = {app.folder or log.parent}
redirect_stderr = true
stdout_logfile = {log}
stdout_logfile_maxbytes = {app.log_bytes}
stdout_logfile_backups = 5
"""

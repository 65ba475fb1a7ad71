"""The stack that is soaked: its oxfile, its apps, its logs, and what is asked of it."""

import json
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.load import LoadSpec
from benchmarks.soak import writer
from benchmarks.soak.disk import Disk
from benchmarks.webapp import HOST, free_port
from benchmarks.workload import PROGRAMS

FIXTURES = Path(__file__).parents[2] / "tests" / "fixtures"
PYTHON = f"{sys.executable} -IS"
CLIENTS = 4
"""Requests under way to each server at a time."""
PAUSE = 0.02
"""Seconds that each client waits after an answer."""
PATIENCE = 30.0
INSTANCES = {"web": 2, "slow": 2}
"""The apps that are scaled, and how many they are when all is calm."""
SERVERS = ("web", "local")
OVERLAPPING = frozenset(SERVERS)
"""Those of which a reload runs two at a time."""
CANARY = "canary"
"""Whatever happens, nobody touches it."""
ONE_SHOT = "once"
VICTIMS = ("web:0", "web:1", "local", "slow:0", "slow:1", "flood", "crash", "deaf", "daemon")
"""Instances that are killed; those on the small disk too, where there is one."""
ON_DISK = ("waits", "drops")
"""The app that waits for room, and the one that drops lines."""
DEAF = "stop_timeout_ms = 500\n"
SLOW = "max_size_mb = 0.1\nmax_files = 100\n"
FAST = "max_size_mb = 2\nmax_files = 50\n"
FULL = "max_size_mb = 2\nmax_files = 10\n"
BLOCK = 'max_size_mb = 0.1\nmax_files = 10\nwhen_full = "block"\n'


@dataclass(frozen=True, slots=True)
class Log:
    """A log, and which lines are in it; *may_skip*: they may be dropped, whole and in order."""

    path: Path
    app: str
    stream: str
    may_skip: bool = False


class Stack:
    """Everything that is run, in *folder*. Without *disk* nothing is on a small one."""

    def __init__(self, folder: Path, disk: Disk | None) -> None:
        self.folder = folder
        self.tallies = folder / "tallies"
        self.port = free_port()
        self.socket = folder / "local.sock"
        self.is_uvicorn = all(find_spec(name) for name in ("uvicorn", "fastapi"))
        self.on_disk = ON_DISK if disk else ()
        self.victims = (*VICTIMS, *self.on_disk)
        (folder / "oxfile.toml").write_text(self._oxfile(disk))
        shutil.copytree(PROGRAMS / "site", folder / "site")
        (folder / "site" / "release").write_text("1")

    def loads(self) -> dict[str, LoadSpec]:
        """What is asked of the servers all the time."""
        addresses = {"web": f"{HOST}:{self.port}", "local": f"unix:{self.socket}"}
        return {
            name: LoadSpec(address, concurrency=CLIENTS, patience=PATIENCE, pause=PAUSE)
            for name, address in addresses.items()
        }

    def logs(self) -> list[Log]:
        """Those with numbered lines."""
        streams = [("slow", "out"), ("slow", "err"), ("flood", "out"), ("crash", "out")]
        streams += [(ONE_SHOT, "out"), ("waits", "out"), ("waits", "err"), ("drops", "out")]
        return [
            Log(self._log(app, stream), app, stream, may_skip=app == "drops")
            for app, stream in streams
            if app not in ON_DISK or app in self.on_disk
        ]

    def _log(self, app: str, stream: str) -> Path:
        folder = self.folder / "disk" if app in ON_DISK else self.folder
        return folder / f"{app}.{'log' if stream == 'out' else 'err'}"

    def _oxfile(self, disk: Disk | None) -> str:
        handed = f"{PYTHON} {FIXTURES}/handed.py 1"
        web = f"uvicorn main:app --host {HOST} --port {self.port}" if self.is_uvicorn else handed
        address = "" if self.is_uvicorn else f'listen = "{HOST}:{self.port}"\n'
        health = f'[processes.web.health_check]\nendpoint = "http://{HOST}:{self.port}/health"\n'
        tables = [
            _app("web", web, f'{address}working_dir = "site"\ninstances = 2\n{health}'),
            _app("local", handed, f'listen = "unix:{self.socket}"\n'),
            self._writer("slow", "steady", self._errors("slow") + "instances = 2\n"),
            self._writer("flood", "flood", "", FAST),
            self._writer("crash", "crash", "restart_delay_ms = 100\n"),
            self._writer(ONE_SHOT, "once", "restart_on_exit = false\nenabled = false\n"),
            _app("deaf", f"{PYTHON} {FIXTURES}/stubborn.py deaf TERM INT twin", DEAF),
            _app("daemon", f"{PYTHON} {FIXTURES}/daemonise.py daemon stay", ""),
            _app(CANARY, "sleep 86400", ""),
        ]
        if disk:
            tables += [
                self._writer("waits", "steady", self._errors("waits"), BLOCK),
                self._writer("drops", "flood", "", FULL),
            ]
        return "\n".join(tables)

    def _writer(self, name: str, manner: str, keys: str, logs: str = SLOW) -> str:
        command = f"{PYTHON} {writer.__file__} {self.tallies} {manner}"
        keys = f'start_secs = 0\n{keys}log_file = "{self._log(name, "out")}"\n'
        return _app(name, command, f"{keys}[processes.{name}.logs]\n{logs}")

    def _errors(self, name: str) -> str:
        return f'error_log_file = "{self._log(name, "err")}"\n'


def _app(name: str, command: str, keys: str) -> str:
    """Started again after every failure, soon and whatever their number."""
    again = "max_restarts = 0\nrestart_delay_max_ms = 300\n"
    return f"[processes.{name}]\ncommand = {json.dumps(command)}\n{again}{keys}"

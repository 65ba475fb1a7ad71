"""A project in a folder of its own, driven by the installed `oxtrio` command."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from tests.e2e.processes import (
    DEADLINE,
    LOOK_EVERY,
    Foreground,
    eventually,
    process_of,
    zombies,
)
from tests.e2e.stack import BIN, lives

FIXTURES = Path(__file__).parents[1] / "fixtures"
PYTHON = f"{sys.executable} -IS"
"""Starts as fast as Python can."""
MARK = "OXTRIO_TEST_MARK"
CANARY = '\n[processes.canary]\ncommand = "sleep 3600"\nstart_secs = 0\n'
"""An app that no test is about: whatever happens beside it, it keeps its pid."""
CLI_DEADLINE = 2 * DEADLINE

T = TypeVar("T")
Row = dict[str, Any]
Ended = subprocess.CompletedProcess[str]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    # Python itself may be in the home folder of root.
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
"""In front of a command: root becomes a user without any right to write."""


class Ox:
    """One project. Its folder's name is in everything that it starts: the mark of this test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "h"
        self._canary: int | None = None
        self._started: list[Foreground] = []
        self.environ = {
            "PATH": f"{BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "OXTRIO_HOME": str(self.home),
            MARK: folder.name,
        }

    # What a user does.

    def write(self, text: str, name: str = "oxfile.toml") -> Path:
        """Put *text* into a file of the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def __call__(
        self, *words: str, cwd: Path | None = None, prefix: tuple[str, ...] = (), **env: str
    ) -> Ended:
        """Run `oxtrio` with *words*; however it ends, it ends as an error may."""
        ended = subprocess.run(
            [*prefix, str(BIN / "oxtrio"), *words],
            cwd=cwd or self.folder,
            env={**self.environ, **env},
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=CLI_DEADLINE,
        )
        # The last lines of an app may have one; they are indented.
        assert not re.search("(?m)^Traceback", ended.stderr), ended.stderr
        assert "internal error" not in ended.stderr, ended.stderr
        return ended

    def done(self, *words: str, **more: Any) -> str:
        """Run `oxtrio`, which must succeed; its stdout."""
        ended = self(*words, **more)
        assert ended.returncode == 0, f"oxtrio {' '.join(words)}: {ended}"
        return ended.stdout

    def refused(self, code: int, *words: str, **more: Any) -> str:
        """Run `oxtrio`, which must end with *code* and one `error:` line; its stderr."""
        ended = self(*words, **more)
        assert ended.returncode == code, f"oxtrio {' '.join(words)}: {ended}"
        assert len(re.findall("(?m)^error: ", ended.stderr)) == 1, ended.stderr
        return ended.stderr

    def up(self, text: str, *words: str) -> str:
        """Write the oxfile, with a canary in it, and start it; what `start` printed."""
        self.write(text + CANARY)
        said = self.done("start", *words)
        if not words:
            self._canary = self.pid("canary")
        return said

    def foreground(self, *words: str, prefix: tuple[str, ...] = (), **options: Any) -> Foreground:
        """Start `oxtrio` with *words*, and let it run."""
        argv = [*prefix, str(BIN / "oxtrio"), *words]
        settings = {"cwd": self.folder, **options}
        settings["env"] = {**self.environ, **options.get("env", {})}
        started = Foreground(argv, self.folder, settings)
        self._started.append(started)
        return started

    # What a program sees.

    @property
    def runtime(self) -> Path:
        """The runtime folder of the one project."""
        [found] = (self.home / "run").glob("*")
        return found

    @property
    def state(self) -> Path:
        [found] = (self.home / "state").glob("*")
        return found

    def ask(self, path: str) -> Any:
        """What the control socket answers."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(DEADLINE)
            connection.connect(str(self.runtime / "control.sock"))
            client = HTTPConnection("oxtrio")
            client.sock = connection
            client.request("GET", path)
            with client.getresponse() as answer:
                return json.load(answer)

    def rows(self) -> dict[str, Row]:
        """What `status --json` shows, by name; empty while nobody answers."""
        with suppress(HTTPException, ValueError, OSError):
            return {row["name"]: row for row in self.ask("/v1/status")}
        return {}

    def pid(self, name: str) -> int:
        return int(self.rows()[name]["pid"])

    def events(self) -> list[Row]:
        """All events that are on disk, oldest first."""
        lines = (self.state / "events.ndjson").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def supervisor(self) -> psutil.Process:
        """The one supervisor of the project."""
        return psutil.Process(self.ask("/v1/supervisor")["pid"])

    def keeper(self) -> psutil.Process:
        """What starts that supervisor again when it dies by force."""
        keeper = self.supervisor().parent()
        assert keeper is not None
        assert is_keeper(keeper)
        return keeper

    def crash(self) -> psutil.Process:
        """kill -9 of the supervisor, and of its keeper before it could do anything."""
        supervisor, keeper = self.supervisor(), self.keeper()
        for each in (keeper, supervisor):
            each.send_signal(signal.SIGKILL)
        self.eventually(lambda: not (lives(supervisor) or lives(keeper)), "both to be dead")
        return supervisor

    def becomes(self, name: str, *states: str, after: int | None = None) -> Row:
        """Wait until *name* is in one of *states*, with another pid than *after*."""

        def is_so() -> Row | None:
            row = self.rows().get(name)
            if row and row["status"] in states and (after is None or row["pid"] != after):
                return row
            return None

        return self.eventually(is_so, f"{name} to be {' or '.join(states)}")

    def eventually(self, condition: Callable[[], T | None], what: str) -> T:
        """Wait until *condition* is true, and return what it said; fails after the deadline."""
        try:
            return eventually(condition, what)
        except AssertionError as missed:
            told = [self(command).stdout for command in ("status", "events", "logs")]
            raise AssertionError("\n".join([str(missed), *told])) from None

    def content(self, name: str, is_whole: Callable[[str], object] = bool) -> str:
        """The text of a file that an app writes, once *is_whole* says so."""
        path = self.folder / name

        def read() -> str | None:
            text = path.read_text() if path.exists() else ""
            return text if is_whole(text) else None

        return self.eventually(read, f"{name} to be written")

    def ours(self) -> list[psutil.Process]:
        """Every living process that carries the mark of this test; of a zombie nothing is known."""
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return [found for pid in pids if self._is_ours(pid) and (found := process_of(pid))]

    def _is_ours(self, pid: int) -> bool:
        mark = self.folder.name.encode()
        with suppress(OSError):
            there = Path(f"/proc/{pid}")
            known = mark in (there / "environ").read_bytes()
            return known or mark in (there / "cmdline").read_bytes()
        return False

    # What must be true after every test.

    def check(self) -> None:
        """The global invariants, while the supervisor (if any) still runs."""
        rows = self.rows()
        if rows:
            supervisor = self.supervisor()
            self.eventually(lambda: not zombies(supervisor), "zombies to be reaped")
        if "canary" in rows and self._canary is not None:
            assert rows["canary"]["pid"] == self._canary, "the canary was touched"
        for path in self.home.rglob("*.json"):
            json.loads(path.read_text())
        for path in self.home.rglob("events.ndjson"):
            events = [json.loads(line) for line in path.read_text().splitlines()]
            assert [each for each in events if each["kind"] == "internal-error"] == []
        for path in self.home.rglob("supervisor.log"):
            assert "Traceback" not in path.read_text()

    def end(self) -> list[str]:
        """End everything; what an orderly stop of every supervisor did not end."""
        for process in self.ours():
            with suppress(psutil.NoSuchProcess):
                if is_supervisor(process) and not is_kept(process):  # a second signal would kill
                    process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + DEADLINE / 2
        while (left := self.ours()) and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
        found = []
        for process in left:
            with suppress(psutil.NoSuchProcess):
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
                process.send_signal(signal.SIGKILL)
        for started in self._started:
            started.close()
        return found


def is_supervisor(process: psutil.Process) -> bool:
    """Whether it is a supervisor, a keeper, or a command."""
    return "oxtrio" in " ".join(process.cmdline()[:4])


def is_keeper(process: psutil.Process) -> bool:
    return "keeper.py" in " ".join(process.cmdline()[:4])


def is_kept(process: psutil.Process) -> bool:
    """Whether a keeper tells it what it is told."""
    parent = process.parent()
    return parent is not None and is_keeper(parent)


@contextlib.contextmanager
def project(make: type[Ox] = Ox) -> Iterator[Ox]:
    """A project whose invariants are checked at the end, and of which nothing is left then."""
    folder = Path(tempfile.mkdtemp(prefix="ox-", dir="/tmp"))
    ox = make(folder)
    left: list[str] = []
    try:
        yield ox
        ox.check()
    finally:
        left = ox.end()
        shutil.rmtree(folder, ignore_errors=True)
    assert left == [], "left running"

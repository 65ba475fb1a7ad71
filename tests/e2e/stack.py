"""One example, copied into a folder of its own and driven by the installed `oxtrio` command."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from tests.system import clients

BIN = Path(sys.executable).parent
EXAMPLES = Path(__file__).parents[2] / "examples"
DEADLINE = 60.0
"""Seconds; generous, as the machine may be busy with other tests."""
LOOK_EVERY = 0.1
MARK = "OXTRIO_EXAMPLE_MARK"

T = TypeVar("T")
Status = dict[str, Any]


class Stack:
    """A copy of an example, with ports, a home and a mark in its environment that are its own."""

    def __init__(self, folder: Path, *, variables: dict[str, str]) -> None:
        self.folder = folder
        self._mark = uuid.uuid4().hex
        self.environ = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "VENV": sys.prefix,
            "OXTRIO_HOME": str(folder / ".ox"),
            "PYTHONDONTWRITEBYTECODE": "1",
            MARK: self._mark,
            **variables,
        }

    def oxtrio(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `oxtrio` in the folder of the example, as a user would."""
        return subprocess.run(
            [BIN / "oxtrio", *arguments],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=2 * DEADLINE,
        )

    def done(self, *arguments: str) -> str:
        """Run `oxtrio`, which must succeed; returns its stdout."""
        ended = self.oxtrio(*arguments)
        assert ended.returncode == 0, f"oxtrio {' '.join(arguments)}: {ended}"
        return ended.stdout

    def status(self, name: str) -> Status:
        """The row of one instance in `oxtrio status --json`."""
        rows = json.loads(self.oxtrio("status", "--json").stdout)
        return next(row for row in rows if row["name"] == name)

    def pid(self, name: str) -> int:
        return int(self.status(name)["pid"])

    def back(self, name: str, *, after: int) -> Status:
        """Wait until the instance runs with another pid than *after*."""

        def came_back() -> Status | None:
            row = self.status(name)
            return row if row["status"] == "running" and row["pid"] != after else None

        return self.eventually(came_back, f"{name} to come back after pid {after}")

    def eventually(self, condition: Callable[[], T | None], what: str) -> T:
        """Wait until *condition* is true, and return what it said; fails after the deadline."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(LOOK_EVERY)
        told = [self.oxtrio(command).stdout for command in ("status", "events", "logs")]
        raise AssertionError("\n".join([f"waited {DEADLINE:g} s for {what}", *told]))

    def running(self) -> list[psutil.Process]:
        """Every process that comes from this stack, its supervisor included."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error, OSError):
            at = Path(process.cwd())
            return process.environ().get(MARK) == self._mark or at.is_relative_to(self.folder)
        return False

    def clear(self) -> None:
        """End whatever is left, whether or not `oxtrio stop` works."""
        with suppress(subprocess.TimeoutExpired):
            self.oxtrio("stop")
        for process in self.running():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)


@contextmanager
def copied(example: str, **variables: str) -> Iterator[Stack]:
    """A copy of *example* in a short path; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ox-"))
    try:
        shutil.copytree(
            EXAMPLES / example,
            folder,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("*.sqlite3*", "__pycache__", ".venv"),
        )
        ask_soon(folder / "oxfile.toml")
        stack = Stack(folder, variables=variables)
        try:
            yield stack
        finally:
            stack.clear()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ask_soon(oxfile: Path) -> None:
    """Have the first health check made early: a test run does not wait for slow machines."""
    text = oxfile.read_text()
    oxfile.write_text(re.sub(r"(?m)^initial_delay_secs = .*", "initial_delay_secs = 1", text))


def free_port() -> str:
    """A port that nobody listens on, and that the kernel gives to no outgoing connection."""
    return str(clients.free_port())


def answer(url: str) -> httpx.Response | None:
    """What *url* answers, None while nothing or not `200 OK` does."""
    with suppress(httpx.TransportError):
        response = httpx.get(url, timeout=DEADLINE)
        return response if response.status_code == 200 else None
    return None


def kill(pid: int) -> list[psutil.Process]:
    """SIGKILL, as the kernel would; returns the children that this makes orphans."""
    children = psutil.Process(pid).children(recursive=True)
    os.kill(pid, signal.SIGKILL)
    return children


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of *processes* lives; a zombie has ended."""
    return not any(lives(process) for process in processes)


def lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False

"""Processes that run beside a test, and waiting for what they do."""

import subprocess
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

from tests.e2e.stack import lives

DEADLINE = 30.0
"""Seconds; against hanging only, as the machine may be busy."""
LOOK_EVERY = 0.03

T = TypeVar("T")


def eventually(condition: Callable[[], T | None], what: str) -> T:
    """Wait until *condition* is true, and return what it said; fails after the deadline."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(LOOK_EVERY)
    raise AssertionError(f"waited {DEADLINE:g} s for {what}")


class Foreground:
    """An `oxtrio` that runs beside the test; its output goes into files."""

    def __init__(self, argv: list[str], folder: Path, options: dict[str, Any]) -> None:
        name = uuid.uuid4().hex[:6]
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err}
            self.process = subprocess.Popen(argv, start_new_session=True, **streams | options)

    @property
    def out(self) -> str:
        return self._out.read_text(errors="replace")

    @property
    def err(self) -> str:
        return self._err.read_text(errors="replace")

    def says(self, text: str) -> str:
        """Wait until *text* is in its output; all of it."""
        eventually(lambda: text in self.out, f"{text!r} from {self.process.args}")
        return self.out

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ends(self) -> int:
        """Its exit code, once it has ended."""
        code = self.process.wait(DEADLINE)
        assert "Traceback" not in self.err, self.err
        return code

    def close(self) -> None:
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(DEADLINE)


def zombies(parent: psutil.Process) -> list[psutil.Process]:
    """The children of *parent* that have ended and were not waited for."""
    with suppress(psutil.NoSuchProcess):
        return [child for child in parent.children() if not lives(child)]
    return []


def process_of(pid: int) -> psutil.Process | None:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid)
    return None


def alive(pid: int) -> bool:
    """Whether *pid* lives; a zombie has ended."""
    process = process_of(pid)
    return process is not None and lives(process)

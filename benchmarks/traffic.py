"""One writer, its report, and what has become of its lines."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.failure import Failed
from benchmarks.workload import PROGRAMS, App

_NUMBERED = re.compile(rb"(\d{9}) x+\n?$")
_GO, _REPORT = "go", "report"
WRITER = "writer"
PAUSE = 0.02
"""Seconds between looks at what goes on: rare enough not to be what is measured."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """How much is written: *lines* of *length* bytes, so many of them with one `write`."""

    lines: int
    length: int
    per_write: int

    @property
    def megabytes(self) -> float:
        return self.lines * self.length / 1e6

    def apps(self, pipe: Path) -> list[App]:
        """The writer; it announces itself in *pipe* when it could begin."""
        numbers = map(str, (self.lines, self.length, self.per_write))
        files = map(str, (pipe, pipe.with_name(_GO), pipe.with_name(_REPORT)))
        argv = (sys.executable, "-S", str(PROGRAMS / "writer.py"), *numbers, *files)
        return [App(WRITER, argv, restarts=False)]


@dataclass(frozen=True, slots=True)
class Course:
    """When, in monotonic seconds, the writing began and ended, and the log stopped growing."""

    began: float
    ended: float
    complete: float


def follow(folder: Path, log: Path, meanwhile: Callable[[], object] = lambda: None) -> Course:
    """Let the writer begin; wait for its end and its log, calling *meanwhile* now and then."""
    report = folder / _REPORT
    deadline = time.monotonic() + 120
    (folder / _GO).touch()
    while not report.exists():
        meanwhile()
        time.sleep(PAUSE)
        if time.monotonic() > deadline:
            raise Failed("the writer has not ended within 120 s")
    said = json.loads(report.read_text())
    return Course(said["began"], said["ended"], max(said["ended"], _complete(log)))


def misplaced(log: Path, lines: int) -> int:
    """How many of the numbered *lines* do not stand behind the one that they follow."""
    right = expected = 0
    for line in _lines(log):
        found = _NUMBERED.search(line)
        if found is not None:
            number = int(found[1])
            right += number == expected
            expected = number + 1
    return lines - right


def _complete(log: Path) -> float:
    """The moment at which the log last grew, known when it has not for a second."""
    size, grew = -1, time.monotonic()
    while time.monotonic() < grew + 1:
        now = sum(path.stat().st_size for path in _files(log))
        if now != size:
            size, grew = now, time.monotonic()
        time.sleep(0.002)
    return grew


def _lines(log: Path) -> Iterator[bytes]:
    for path in _files(log):
        with path.open("rb") as file:
            yield from file


def _files(log: Path) -> list[Path]:
    """The log with what was rotated away, oldest first."""
    rotated = {
        int(path.name[len(log.name) + 1 :]): path
        for path in log.parent.glob(f"{log.name}.*")
        if path.name[len(log.name) + 1 :].isdigit()
    }
    newest = [log] if log.exists() else []
    return [rotated[number] for number in sorted(rotated, reverse=True)] + newest

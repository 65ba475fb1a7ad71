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
WRITER = "writer"


@dataclass(frozen=True, slots=True)
class Traffic:
    """How much is written: *lines* of *length* bytes, so many of them with one `write`."""

    lines: int
    length: int
    per_write: int

    @property
    def megabytes(self) -> float:
        return self.lines * self.length / 1e6

    def argv(self, report: Path) -> tuple[str, ...]:
        numbers = map(str, (self.lines, self.length, self.per_write))
        return (sys.executable, "-S", str(PROGRAMS / "writer.py"), *numbers, str(report))

    def app(self, report: Path) -> App:
        return App(WRITER, self.argv(report), restarts=False)


@dataclass(frozen=True, slots=True)
class Course:
    """When, in monotonic seconds, the writing began and ended, and the log stopped growing."""

    began: float
    ended: float
    complete: float


def follow(report: Path, log: Path, meanwhile: Callable[[], object] = lambda: None) -> Course:
    """Wait for the end of the writer and for its log, calling *meanwhile* while it writes."""
    deadline = time.monotonic() + 120
    while not report.exists():
        meanwhile()
        time.sleep(0.002)
        if time.monotonic() > deadline:
            raise Failed("the writer has not ended within 120 s")
    said = json.loads(report.read_text())
    return Course(said["began"], said["ended"], max(said["ended"], _complete(log)))


def misplaced(log: Path, lines: int) -> int:
    """How many of the numbered *lines* are not where they belong: lost, doubled or out of order."""
    right = expected = 0
    for line in _lines(log):
        found = _NUMBERED.search(line)
        if found is None:
            continue
        number = int(found[1])
        right += number == expected
        expected = number + 1
    # A gap makes the line behind it count as misplaced, and so does every line that is missing.
    return max(lines - right, 0)


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

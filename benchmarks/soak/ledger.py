"""Whether every line that was written is in the logs: once, whole and in order."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.soak.writer import line_of

_LINE = re.compile(rb"(\S+) (\d+) (\d+) x*")
_DROPPED = re.compile(rb"\[oxtrio\] dropped (\d+) lines? \(disk full\)")

AHEAD = 5
"""Runs of which there may be nothing in the log but the beginning of a line."""

Counts = Callable[[str, int], tuple[int, int]]
"""How many lines a run of a writer has begun, and done."""
Excuse = Callable[[str, int], bool]
"""Whether the end of a run may be lost: it ended while nobody held its pipe."""


@dataclass(slots=True)
class Course:
    """How far the lines of one writer have come."""

    run: int = 0
    number: int = 0
    """Of the line that is next."""
    found: int = 0
    missing: int = 0
    """Lines that were written and skipped."""
    excused: int = 0
    """Those of them at the end of a run whose pipe nobody held."""


@dataclass(slots=True)
class Ledger:
    """Takes the lines of one log as they stand in it. *may_skip*: its disk was full at times."""

    counts: Counts
    may_skip: bool = False
    excuse: Excuse = lambda who, run: False
    courses: dict[str, Course] = field(default_factory=dict)
    told: int = 0
    """Lines of which the log itself says that they were dropped."""
    cut: int = 0
    """Lines of which there is a beginning: their writer was killed in the middle."""

    def take(self, line: bytes) -> Iterator[str]:
        """What is wrong with the next *line*, which is without its newline."""
        if dropped := _DROPPED.fullmatch(line):
            self.told += int(dropped[1])
            if not self.may_skip:
                yield f"lines were dropped: {line!r}"
        elif parsed := _parse(line):
            yield from self._take(*parsed)
        elif (rest := self._after_cut(line)) is None:
            yield f"not a line that was written, nor its beginning: {line[:120]!r}"
        elif rest:
            yield from self.take(rest)

    def finish(self, who: str, runs: int) -> Iterator[str]:
        """What is wrong when no more lines of *who* come, which had so many *runs*."""
        course = self.courses.setdefault(who, Course())
        for run in range(course.run, runs):
            yield from self._end_of_run(who, course, run)

    def _take(self, who: str, run: int, number: int) -> Iterator[str]:
        course = self.courses.setdefault(who, Course())
        if run < course.run or (run == course.run and number < course.number):
            at = f"{who} {course.run} {course.number}"
            yield f"{who} {run} {number}: it comes a second time, or too late: {at} is next"
            return
        while course.run < run:
            yield from self._end_of_run(who, course, course.run)
        if number != course.number:
            course.missing += number - course.number
            if not self.may_skip:
                yield f"{who} {run}: {course.number} is missing, and all before {number}"
        course.number = number + 1
        course.found += 1

    def _end_of_run(self, who: str, course: Course, run: int) -> Iterator[str]:
        begun, done = self.counts(who, run)
        if course.number > begun:
            yield f"{who} {run}: {course.number} lines of {begun}"
        if course.number < done:
            excused = self.excuse(who, run)
            course.missing += done - course.number
            course.excused += excused * (done - course.number)
            if not (self.may_skip or excused):
                yield f"{who} {run}: the last {done - course.number} of {done} are missing"
        course.run, course.number = run + 1, 0

    def _after_cut(self, line: bytes) -> bytes | None:
        """What follows the beginning of a line that was to come; None where it is none."""
        for who, course in self.courses.items():
            again = line.find(who.encode(), 1)
            cut, rest = (line, b"") if again < 0 else (line[:again], line[again:])
            for run, number in self._next(who, course):
                if line_of(who, run, number).startswith(cut):
                    self.cut += 1
                    return rest
        return None

    def _next(self, who: str, course: Course) -> Iterator[tuple[int, int]]:
        """The run and number of each line that may be cut here: begun, and never done."""
        for run in range(course.run, course.run + AHEAD):
            begun, done = self.counts(who, run)
            number = course.number if run == course.run else 0
            first = number if self.excuse(who, run) else max(number, done)
            last = begun if self.may_skip else min(begun, number + 1)
            yield from ((run, each) for each in range(first, last))


def _parse(line: bytes) -> tuple[str, int, int] | None:
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    who, run, number = found[1].decode(errors="replace"), int(found[2]), int(found[3])
    return (who, run, number) if line + b"\n" == line_of(who, run, number) else None

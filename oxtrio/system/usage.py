"""What the processes of a run use, read straight from /proc: two system calls a process.

A process that disappears meanwhile counts as not there; that is normal.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oxtrio.model.usage import Usage
from oxtrio.system.proc import CLOCK_TICKS

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Reading:
    """What /proc/<pid>/stat tells of one process; times in clock ticks."""

    parent: int
    started: int
    own: int
    of_children: int
    """Of children that have ended and were waited for."""
    resident: int
    """Bytes."""

    @property
    def ticks(self) -> int:
        return self.own + self.of_children


def read(pid: int) -> Reading | None:
    """The reading of *pid*, or None where there is no such process."""
    try:
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(file, 4096)
    except OSError:
        return None
    finally:
        os.close(file)
    # The name may hold spaces and brackets; the numbers come after the last one.
    fields = text.rpartition(b")")[2].split()
    if len(fields) < 22:
        return None
    return Reading(
        parent=int(fields[1]),
        started=int(fields[19]),
        own=int(fields[11]) + int(fields[12]),
        of_children=int(fields[13]) + int(fields[14]),
        resident=int(fields[21]) * PAGE,
    )


class Meter:
    """Adds up what one run uses, sample by sample, so that its CPU time never falls.

    A process that ends takes its times with it, unless its parent waits for it and so gets
    them; both are told apart, and nothing counts twice.
    """

    def __init__(self) -> None:
        self._before: dict[int, Reading] = {}
        self._ticks = 0

    def sample(self, pids: Iterable[int]) -> Usage:
        """What *pids*, all that live of the run, use now; memory is the sum of RSS."""
        now = {pid: reading for pid in pids if (reading := read(pid)) is not None}
        self._ticks += max(0, _growth(self._before, now))
        self._before = now
        return Usage(
            memory=sum(reading.resident for reading in now.values()),
            cpu_seconds=self._ticks / CLOCK_TICKS,
            processes=len(now),
        )


def sample(pids: Iterable[int]) -> Usage:
    """What *pids* use, at a single look."""
    return Meter().sample(pids)


def proportional_memory(pids: Iterable[int]) -> int:
    """The sum of PSS, in which pages that forked workers share count once, in bytes.

    RSS stands in for a process whose pages this user may not look at. The kernel walks
    through all pages for it: milliseconds for each GB, so it is called in a thread.
    """
    return sum(_proportional(pid) for pid in pids)


def _growth(before: Mapping[int, Reading], now: Mapping[int, Reading]) -> int:
    """The ticks that were used between two looks at the same run."""
    grown = 0
    inherited: dict[int, int] = {}
    for pid, reading in now.items():
        past = before.get(pid)
        if past is None or past.started != reading.started:
            grown += reading.ticks
            continue
        grown += reading.ticks - past.ticks
        inherited[pid] = reading.of_children - past.of_children
    for pid, past in before.items():
        if pid in now and now[pid].started == past.started:
            continue
        # Its parent got its times on top of its own, and they were counted before.
        doubled = min(past.ticks, inherited.get(past.parent, 0))
        grown -= doubled
        if doubled:
            inherited[past.parent] -= doubled
    return grown


def _proportional(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    reading = read(pid)
    return reading.resident if reading else 0

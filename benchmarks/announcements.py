"""How apps say that they run: a line in a pipe, timed here, alike for every supervisor."""

import os
import select
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, pidfd_send_signal
from types import TracebackType
from typing import Self

from benchmarks.failure import Failed


@dataclass(slots=True)
class Said:
    """A run of an app: when it was heard of (monotonic seconds), and its process."""

    name: str
    pid: int
    at: float
    pidfd: int


class Announcements:
    """The pipe at *path*. Open it before anything that writes to it is started."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: dict[str, Said] = {}
        """The last run of each app."""
        self._all: list[Said] = []
        self._rest = b""

    def __enter__(self) -> Self:
        os.mkfifo(self.path, 0o600)
        # Open for writing too: the pipe then never ends.
        self._pipe = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        os.close(self._pipe)
        for run in self._all:
            os.close(run.pidfd)

    def expect(self, count: int, within: float = 60) -> list[Said]:
        """The next *count* runs, each timed at its arrival."""
        heard: list[Said] = []
        deadline = time.monotonic() + within
        while len(heard) < count:
            heard += self._next(deadline - time.monotonic())
            if time.monotonic() > deadline:
                raise Failed(f"only {len(heard)} of {count} apps ran within {within:g} s")
        return heard

    def kill(self, name: str) -> float:
        """Kill the last run of *name*; the moment before."""
        at = time.monotonic()
        pidfd_send_signal(self.runs[name].pidfd, SIGKILL)
        return at

    def is_alive(self, name: str) -> bool:
        return not select.select([self.runs[name].pidfd], [], [], 0)[0]

    def wait_gone(self, within: float = 60) -> tuple[float, float]:
        """When the first and when the last of the runs that are known has ended."""
        watch = select.poll()
        left = {run.pidfd for run in self.runs.values()}
        for pidfd in left:
            watch.register(pidfd, select.POLLIN)
        ends: list[float] = []
        deadline = time.monotonic() + within
        while left:
            for pidfd, _ in watch.poll(max(0, deadline - time.monotonic()) * 1000):
                left.discard(pidfd)
                watch.unregister(pidfd)
            ends.append(time.monotonic())
            if left and ends[-1] > deadline:
                raise Failed(f"{len(left)} apps still run after {within:g} s")
        return ends[0], ends[-1]

    def _next(self, patience: float) -> list[Said]:
        select.select([self._pipe], [], [], max(0, patience))
        at = time.monotonic()
        with suppress(BlockingIOError):
            self._rest += os.read(self._pipe, 65536)
        *lines, self._rest = self._rest.split(b"\n")
        said = [_run(line.decode(), at) for line in lines]
        self.runs |= {run.name: run for run in said}
        self._all += said
        return said


def _run(line: str, at: float) -> Said:
    name, pid = line.split()
    return Said(name, int(pid), at, os.pidfd_open(int(pid)))

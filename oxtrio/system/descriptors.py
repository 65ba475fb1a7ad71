"""The supervisor's own file descriptors: what is reserved, and how many there may be."""

import contextlib
import fcntl
import os
import resource
import select
from collections.abc import Iterator
from typing import ClassVar

GATE = 9
"""A run with settings that only we may make waits at this descriptor until they are made."""

RESERVED = range(3, 10)
"""Descriptors of one digit: the only ones that dash can redirect, so they are kept for runs."""

CONTROL_RESERVE = 16
"""Descriptors that runs never get to use up, so that control always answers."""

RUN = 8
"""Descriptors that a run needs, the few of the spawn itself included."""


def reserve() -> None:
    """Give descriptors 0 to 9 a harmless meaning before anything else gets their numbers.

    0, 1 and 2 may be closed at start; a socket that lands there would get an app's output.
    3 to 9 are put on /dev/null, unless Python itself already uses one.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in range(3):
        if not _is_open(number):
            os.dup2(null, number, inheritable=True)
    for number in RESERVED:
        if number != null and not _is_ours(number):
            os.dup2(null, number, inheritable=False)
    if null not in RESERVED and null > 2:
        os.close(null)


def _is_open(number: int) -> bool:
    try:
        fcntl.fcntl(number, fcntl.F_GETFD)
    except OSError:
        return False
    return True


def _is_ours(number: int) -> bool:
    # Everything that Python opens is close-on-exec; what is not was inherited by accident.
    try:
        return bool(fcntl.fcntl(number, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)
    except OSError:
        return False


class FileLimit:
    """RLIMIT_NOFILE: raised for the supervisor, given back to every run as it was."""

    _raised: ClassVar[dict[tuple[int, int], tuple[int, int]]] = {}
    """What this process has raised its limit to, and what it was before."""

    def __init__(self) -> None:
        now = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.original = self._raised.get(now, now)

    @classmethod
    def recall(cls, original: tuple[int, int]) -> None:
        """What this process was given, before the program whose place we take has raised it."""
        cls._raised[resource.getrlimit(resource.RLIMIT_NOFILE)] = original

    def raise_own(self) -> None:
        """Raise our own soft limit to the hard one; a refusal changes nothing."""
        _, hard = self.original
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            self._raised[hard, hard] = self.original

    @contextlib.contextmanager
    def lowered(self) -> Iterator[bool]:
        """Inside, new processes inherit the original limit. Yields False where that cannot be.

        Only for one synchronous stretch. It cannot be done when every number below the
        original limit is in use: the pipe that `Popen` needs would not find one.
        """
        current = resource.getrlimit(resource.RLIMIT_NOFILE)
        if current == self.original:
            yield True
            return
        soft = self.original[0]
        probe = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.close(probe)
        if soft != resource.RLIM_INFINITY and probe + 8 >= soft:
            yield False
            return
        resource.setrlimit(resource.RLIMIT_NOFILE, self.original)
        try:
            yield True
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, current)

    def room_for_runs(self) -> bool:
        """Whether a run may still use descriptors without touching the reserve of control."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return True
        needed = CONTROL_RESERVE + RUN
        # The lowest free number is given away first. So the highest ones are all free, as a
        # rule; who goes by the lowest one takes a hole for a lot of room.
        last = range(max(0, soft - needed), soft)
        return _count_free(last) == needed or _count_free(range(soft)) >= needed


def _count_free(numbers: range) -> int:
    """How many of *numbers* nothing is open at; one system call."""
    looking = select.poll()
    for number in numbers:
        looking.register(number, 0)
    return sum(event == select.POLLNVAL for _, event in looking.poll(0))

"""Our children, and the one reaper that owns every exit.

Whoever else waits steals exit codes, and a stolen exit reads as 0 without an error. So a
child is spawned synchronously, registered in the same tick, and reaped by nobody else. Two
manners behind one interface: `owner` (system/owner.py) for a process of our own (it reaps
everything, orphans of its runs included) and `guest` (system/guest.py) inside another program.
"""

import contextlib
import os
import signal
from collections.abc import Callable
from typing import Protocol

import trio

from oxtrio.model.exit import Exit
from oxtrio.system.descriptors import FileLimit
from oxtrio.system.pidfd import exit_status, wait_unseen
from oxtrio.system.proc import stat_of
from oxtrio.system.spawn import Launch

TELLING = 0.5
"""Seconds in which the parent of a process that has ended may tell how it did."""
TELLING_SURELY = 10.0
"""Seconds in which one does that is known to; this machine may be busy."""


class Child:
    """One process that we spawned. Its exit is known when `gone` is set."""

    def __init__(self, pid: int, started: int | None = None) -> None:
        """*started* is the start time of one that somebody else has spawned, where it is known."""
        self.pid = pid
        stat = stat_of(pid)
        self.started = started if started is not None else (stat.started if stat else 0)
        self.exit: Exit | None = None
        self.status: int | None = None
        """The wait status with which it ended, where that is known."""
        self.gone = trio.Event()
        self.paused = False
        self.is_told = False
        """Its parent, who is not us, tells us how it ends."""
        self.on_pause: Callable[[bool], None] | None = None
        self.on_end: Callable[[int], None] | None = None
        """Told the wait status before it is reaped: whoever dies meanwhile leaves it to others."""
        self._sent: set[int] = set()
        self._pidfd: int | None = None
        if started is None or (stat is not None and stat.started == started):
            # gVisor, seccomp: there signals go by number, before the reaping only.
            with contextlib.suppress(OSError):
                self._pidfd = os.pidfd_open(pid)

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet (a zombie that is not reaped counts as alive)."""
        return self.exit is None

    def signal(self, number: int) -> bool:
        """Signal this process alone; False when it is gone. A recycled pid is never hit."""
        if not self.alive:
            return False
        self._sent.add(number)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, number)
            else:
                os.kill(self.pid, number)
            return True
        return False

    def signal_group(self, number: int) -> None:
        """Send a signal to its whole process group, also when it is gone itself."""
        self._sent.add(number)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._pidfd is not None:
                with contextlib.suppress(OSError):
                    # PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9: works after the leader is reaped.
                    signal.pidfd_send_signal(self._pidfd, number, None, 4)
                    return
            if self.alive:
                os.killpg(self.pid, number)

    def close(self) -> None:
        """Let go of the pidfd; nothing can be sent any more."""
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def look_whether_paused(self) -> None:
        """Of one that somebody else has spawned, nobody has told whether it is stopped."""
        stat = stat_of(self.pid)
        self.paused = stat is not None and stat.started == self.started and stat.state == "T"

    def changed(self, status: int) -> bool:
        """Take note of a wait status; True when it was the end."""
        if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
            self.paused = os.WIFSTOPPED(status)
            if self.on_pause is not None:
                self.on_pause(self.paused)
            return False
        self.status = status
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            ours = number in self._sent
            self.exit = Exit(signal=number, core=os.WCOREDUMP(status), sent_by_us=ours)
        else:
            self.exit = Exit(code=os.WEXITSTATUS(status))
        self.gone.set()
        return True

    async def wait_end_elsewhere(self) -> None:
        """Return when it has ended, although it is no child of ours. Cancelling does nothing.

        Its exit is what somebody tells who was its parent, or else what the kernel says.
        """
        if self._pidfd is not None:
            await trio.lowlevel.wait_readable(self._pidfd)
        else:
            await wait_unseen(self.pid, self.started)
        with trio.move_on_after(TELLING_SURELY if self.is_told else TELLING):
            await self.gone.wait()
        status = exit_status(self._pidfd) if self._pidfd is not None else None
        if self.exit is None and status is not None:
            self.changed(status)
        self.lost()

    def lost(self) -> None:
        """It ended, and somebody else took its exit."""
        if self.exit is None:
            self.exit = Exit()
            self.gone.set()


class Children(Protocol):
    """All processes that we spawned, whatever the manner of reaping."""

    limit: FileLimit
    ends: int
    """How many times ends have been noted: as long as it is the same, nobody has ended."""

    def spawn(self, launch: Launch) -> Child:
        """Start a process, registered before anything else runs. Raises `SpawnFailed`."""

    def adopt(self, pid: int, started: int) -> Child:
        """The leader of a run that an earlier supervisor has spawned; it may have ended since.

        Whoever adopts it waits for `wait_end_elsewhere`.
        """

    def follow(self, pid: int) -> Child:
        """A process that is no child of ours, but may become one: then its exit is known."""

    def orphans(self) -> list[int]:
        """Processes that became our children because their parent ended."""

    async def wait_reaped(self) -> None:
        """Return at the next end of a child or orphan. Cancelling has no effect on them."""

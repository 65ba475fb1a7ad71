"""Our children, and the one reaper that owns every exit.

Whoever else waits steals exit codes, and a stolen exit reads as 0 without an error. So a
child is spawned synchronously, registered in the same tick, and reaped by nobody else. Two
manners behind one interface: `owner` for a process of our own (it reaps everything, orphans
of its runs included) and `guest` (system/guest.py) inside another program.
"""

import contextlib
import ctypes
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import trio

from oxtrio.model.exit import Exit
from oxtrio.system.descriptors import FileLimit
from oxtrio.system.pidfd import exit_status
from oxtrio.system.proc import all_pids, children_of, stat_of
from oxtrio.system.spawn import Launch, spawn

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)

TELLING = 0.5
"""Seconds in which the parent of a process that has ended tells how it did."""


class Child:
    """One process that we spawned. Its exit is known when `gone` is set."""

    def __init__(self, pid: int, started: int | None = None) -> None:
        """*started* is the start time of one that somebody else has spawned, where it is known."""
        self.pid = pid
        stat = stat_of(pid)
        self.started = started if started is not None else (stat.started if stat else 0)
        self.exit: Exit | None = None
        self.gone = trio.Event()
        self.paused = False
        self.on_pause: Callable[[bool], None] | None = None
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

    def changed(self, status: int) -> bool:
        """Take note of a wait status; True when it was the end."""
        if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
            self.paused = os.WIFSTOPPED(status)
            if self.on_pause is not None:
                self.on_pause(self.paused)
            return False
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
        with trio.move_on_after(TELLING):
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


class Owner:
    """The reaper of a process that is all ours: `waitpid(-1)`, told by SIGCHLD."""

    def __init__(self) -> None:
        self.limit = FileLimit()
        self._children: dict[int, Child] = {}
        self._followed: dict[int, Child] = {}
        self._keeper: int | None = None
        self._told: dict[int, int] = {}
        self._has_adopted = False
        self._inherited = {*children_of("self")}
        """Children of the program that became ours by execve: none of our business."""
        self._reaped = trio.lowlevel.ParkingLot()

    def spawn(self, launch: Launch) -> Child:
        child = Child(spawn(launch, self.limit))
        self._children[child.pid] = child
        return child

    def adopt(self, pid: int, started: int) -> Child:
        child = self._children[pid] = Child(pid, started)
        if pid in self._told:
            self.told(pid, self._told.pop(pid))
        self._has_adopted = True
        return child

    def have_keeper(self, pid: int | None, told: Mapping[int, int]) -> None:
        """The process *pid* is our parent and gets what a dead supervisor leaves behind.

        *told* is how those ended that it has reaped until now (wait status by pid). None: it is
        there no more.
        """
        self._keeper = pid
        self._told = dict(told)

    def told(self, pid: int, status: int) -> None:
        """The keeper has reaped *pid*."""
        self._note(pid, status)
        self._reaped.unpark_all()

    def follow(self, pid: int) -> Child:
        self._followed = {each: child for each, child in self._followed.items() if child.alive}
        child = self._followed[pid] = Child(pid)
        return child

    def orphans(self) -> list[int]:
        if self._has_adopted and self._keeper is None:
            # Whoever takes them in is a stranger: everything is a candidate, as for a guest.
            return [pid for pid in all_pids() if pid not in self._children and pid != os.getpid()]
        return self._taken_in()

    def _taken_in(self) -> list[int]:
        """What has become our child, or the keeper's, because its parent ended."""
        left = [*children_of("self"), *(children_of(self._keeper) if self._keeper else ())]
        return [pid for pid in left if pid not in self._children and pid != os.getpid()]

    async def wait_reaped(self) -> None:
        await self._reaped.park()

    async def end_orphans(self) -> None:
        """SIGKILL to all that has lost its parent, until nothing of that is left.

        For when all runs are over: what hid from them so well that it could not be attributed
        stems from one of them all the same. Cancelling leaves the rest running.
        """
        # Never `orphans`, which may be everybody on this machine.
        while left := [pid for pid in self._taken_in() if pid not in self._inherited]:
            for pid in left:
                # Its pid is taken until we reap it, so nobody else can be hit.
                with contextlib.suppress(PermissionError):
                    os.kill(pid, signal.SIGKILL)
            await self.wait_reaped()

    async def watch(self, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        # Shielded until its owner ends it: what is cancelled from outside still stops its
        # children in order, and must see them end.
        watching = trio.CancelScope(shield=True)
        with watching, trio.open_signal_receiver(signal.SIGCHLD) as arrivals:
            self._reap()
            task_status.started(watching)
            async for _ in arrivals:  # coalesced: one arrival may stand for many ends
                self._reap()

    def _reap(self) -> None:
        flags = os.WNOHANG | os.WUNTRACED | os.WCONTINUED
        while True:
            try:
                pid, status = os.waitpid(-1, flags)
            except ChildProcessError:
                break
            if pid == 0:
                break
            self._inherited.discard(pid)
            self._note(pid, status)
        self._reaped.unpark_all()

    def _note(self, pid: int, status: int) -> None:
        child = self._children.get(pid) or self._followed.get(pid)
        if child is not None and child.changed(status):
            self._children.pop(pid, None)
            self._followed.pop(pid, None)


@asynccontextmanager
async def open_owner() -> AsyncIterator[Owner]:
    """The reaper of this process, which becomes the parent of all orphans of its runs.

    Only in the main thread of a program of our own, before the first child. It reaps until the
    block is left, also when that is cancelled: what still runs then is left to whoever adopts it.
    """
    owner = Owner()
    owner.limit.raise_own()
    become_subreaper()
    async with trio.open_nursery() as nursery:
        watching: trio.CancelScope = await nursery.start(owner.watch)
        try:
            yield owner
        finally:
            watching.cancel()


def become_subreaper() -> bool:
    """Orphans of our descendants become our children from now on (prctl(2))."""
    try:
        return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False

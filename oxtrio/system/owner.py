"""The reaper of a process that is all ours, and what it hands on to who takes its place."""

import contextlib
import ctypes
import math
import os
import signal
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from oxtrio.system.children import Child
from oxtrio.system.descriptors import FileLimit
from oxtrio.system.proc import all_pids, children_of, stat_of
from oxtrio.system.spawn import Launch, spawn

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)

UNTOLD = 0.1
"""Seconds between two looks at what is not told to us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The children of a program that has taken the place of another one in the same process."""

    pids: frozenset[int] = frozenset()
    """Leaders of runs, which are adopted soon: their exits must not be lost meanwhile."""
    exits: Mapping[int, int]
    """Wait statuses of leaders that have been reaped, and of which a run is left."""
    inherited: frozenset[int] = frozenset()
    """Who was there before all supervisors, and is none of their business."""
    strangers: bool = False
    """Some leader is the child of somebody else."""


class Owner:
    """The reaper of a process that is all ours: `waitpid(-1)`, told by SIGCHLD."""

    def __init__(self, expected: Expected | None = None) -> None:
        """*expected*: what the program has told whose place we have taken."""
        self.limit = FileLimit()
        self.ends = 0
        self._children: dict[int, Child] = {}
        self._followed: dict[int, Child] = {}
        self._keeper: int | None = None
        self._told: dict[int, int] = dict(expected.exits) if expected else {}
        self._awaited = expected.pids if expected else frozenset()
        """Who is our child already, and about to be adopted."""
        self._left: frozenset[int] = frozenset()
        """Who is the keeper's child, and about to be adopted."""
        self._is_among_strangers = False
        """The children of some leader go neither to us nor to the keeper."""
        self._has_adopted = expected is not None and expected.strangers
        self._inherited = {*(expected.inherited if expected else children_of("self"))}
        """Children of the program that became ours by execve: none of our business."""
        self._reaped = trio.lowlevel.ParkingLot()

    def expected(self) -> Expected:
        """What the program must know that takes our place."""
        return Expected(
            pids=frozenset(self._children),
            exits=self._told,
            inherited=frozenset(self._inherited),
            strangers=self._has_adopted,
        )

    def spawn(self, launch: Launch) -> Child:
        child = Child(spawn(launch, self.limit))
        self._children[child.pid] = child
        return child

    def adopt(self, pid: int, started: int) -> Child:
        child = self._children[pid] = Child(pid, started)
        stat = stat_of(pid)
        if stat is not None and stat.started == started and not stat.dead:
            self._told.pop(pid, None)  # of an earlier process, which had this pid
        is_kept = self._keeper is not None and pid in self._told
        if pid in self._told:
            self.told(pid, self._told.pop(pid))
        is_kept |= stat is not None and stat.parent == self._keeper
        # Whose child is not ours leaves its own children to somebody else, too.
        is_ours = pid in self._awaited and (stat is None or stat.parent == os.getpid())
        self._has_adopted |= not is_ours
        self._is_among_strangers |= not (is_ours or is_kept)
        child.is_told = is_kept
        return child

    def have_keeper(
        self, pid: int | None, told: Mapping[int, int], left: Collection[int] = ()
    ) -> None:
        """The process *pid* is our parent and gets what a dead supervisor leaves behind.

        *told* is how those ended that it has reaped until now (wait status by pid), *left* who is
        about to be adopted: what it tells of them before that counts. None: it is there no more.
        """
        self._keeper = pid
        self._told |= told
        self._left |= set(left)

    def told(self, pid: int, status: int) -> None:
        """The keeper has reaped *pid*."""
        self._note(pid, status)
        self._tell_end()

    def follow(self, pid: int) -> Child:
        self._followed = {each: child for each, child in self._followed.items() if child.alive}
        child = self._followed[pid] = Child(pid)
        return child

    def orphans(self) -> list[int]:
        if self._is_left_alone:
            # Whoever takes them in is a stranger: everything is a candidate, as for a guest.
            return [pid for pid in all_pids() if pid not in self._children and pid != os.getpid()]
        return self._taken_in()

    @property
    def _is_left_alone(self) -> bool:
        return self._is_among_strangers or (self._has_adopted and self._keeper is None)

    def _taken_in(self) -> list[int]:
        """What has become our child, or the keeper's, because its parent ended."""
        left = [*children_of("self"), *(children_of(self._keeper) if self._keeper else ())]
        return [pid for pid in left if pid not in self._children and pid != os.getpid()]

    async def wait_reaped(self) -> None:
        # The ends of those whose parent is a stranger are told to nobody here, as for a guest.
        with trio.move_on_after(UNTOLD if self._is_left_alone else math.inf):
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
                pid, status = os.waitpid(self._seen_ended() or -1, flags)
            except ChildProcessError:
                break
            if pid == 0:
                break
            self._inherited.discard(pid)
            self._note(pid, status)
        self._tell_end()

    def _seen_ended(self) -> int | None:
        """A child that has ended, and whose owner has been told; None: there is none."""
        seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if seen is None:
            return None
        child = self._children.get(seen.si_pid)
        if child is not None and child.on_end is not None:
            core = 0x80 if seen.si_code == os.CLD_DUMPED else 0
            by_itself = seen.si_code == os.CLD_EXITED
            child.on_end(seen.si_status << 8 if by_itself else seen.si_status | core)
        return seen.si_pid

    def _tell_end(self) -> None:
        self.ends += 1
        self._reaped.unpark_all()

    def _note(self, pid: int, status: int) -> None:
        child = self._children.get(pid) or self._followed.get(pid)
        if child is not None and child.changed(status):
            self._children.pop(pid, None)
            self._followed.pop(pid, None)
        elif child is None and pid in self._awaited | self._left and has_ended(status):
            self._told[pid] = status  # whoever adopts it is on the way


def has_ended(status: int) -> bool:
    """Whether a wait status tells of the end of a process."""
    return os.WIFEXITED(status) or os.WIFSIGNALED(status)


@asynccontextmanager
async def open_owner(expected: Expected | None = None) -> AsyncIterator[Owner]:
    """The reaper of this process, which becomes the parent of all orphans of its runs.

    Only in the main thread of a program of our own, before the first child. It reaps until the
    block is left, also when that is cancelled: what still runs then is left to whoever adopts it.
    *expected*: of the program whose place we have taken.
    """
    owner = Owner(expected)
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

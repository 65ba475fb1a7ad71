"""The reaper inside another program: it waits for its own pids only.

No subreaper, no signal handler, no `waitpid(-1)`: the host program's own children are none of
our business. Orphans of a run are found by their session, not by parentage.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from oxtrio.system.children import Child
from oxtrio.system.descriptors import FileLimit
from oxtrio.system.proc import all_pids
from oxtrio.system.spawn import Launch, spawn


class Guest:
    """Each child is waited for by its pidfd, in a task of its own."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.limit = FileLimit()
        self.ends = 0
        self._nursery = nursery
        self._living: set[Child] = set()
        self._reaped = trio.lowlevel.ParkingLot()

    def spawn(self, launch: Launch) -> Child:
        child = Child(spawn(launch, self.limit))
        self._living.add(child)
        self._nursery.start_soon(self._wait, child, os.pidfd_open(child.pid))
        return child

    def adopt(self, pid: int, started: int) -> Child:
        return Child(pid, started)

    def follow(self, pid: int) -> Child:
        return Child(pid)  # nobody here will be told how it ended

    def orphans(self) -> list[int]:
        # Not ours by parentage, so everything is a candidate; attribution sorts them out.
        mine = {child.pid for child in self._living}
        return [pid for pid in all_pids() if pid not in mine and pid != os.getpid()]

    async def wait_reaped(self) -> None:
        # Ends of processes that are not our children are told to nobody here.
        with trio.move_on_after(0.1):
            await self._reaped.park()

    async def _wait(self, child: Child, pidfd: int) -> None:
        try:
            await trio.lowlevel.wait_readable(pidfd)
            _, status = os.waitpid(child.pid, os.WNOHANG)  # noqa: ASYNC222 - it has ended
            child.changed(status)
        except ChildProcessError:
            child.lost()
        finally:
            os.close(pidfd)
            self._living.discard(child)
            self.ends += 1
            self._reaped.unpark_all()


@asynccontextmanager
async def open_guest() -> AsyncIterator[Guest]:
    """A reaper for use inside somebody else's Trio program.

    It waits for its children until the block is left, also when that is cancelled.
    """
    async with trio.open_nursery() as outer:
        inner: trio.Nursery = await outer.start(watch)
        try:
            yield Guest(inner)
        finally:
            inner.cancel_scope.cancel()


async def watch(*, task_status: trio.TaskStatus[trio.Nursery]) -> None:
    """Hold a nursery for the waiting open: shielded until its owner cancels it, as in Owner."""
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.shield = True
        task_status.started(nursery)
        await trio.sleep_forever()

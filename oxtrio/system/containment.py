"""The end of all processes of a run, daemonised ones included; and its cgroup where it has one.

While a leader lives, its run is what stems from it. When it ends, what it leaves behind becomes
our own child (we are a subreaper), and is attributed (system/kinship.py). Where cgroups can be
made, the run lives in one too: what is in it belongs to it whoever its parent is, and is killed
at once. Both ways hold together: each finds what has got away from the other.
"""

import contextlib
import math
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import NoReturn

import trio

from oxtrio.system.cgroup import Cgroup
from oxtrio.system.children import Child, Children
from oxtrio.system.delegation import NoGround
from oxtrio.system.kinship import MARKER, Kin, Kinship, exists
from oxtrio.system.left_behind import LOOK_AGAIN, LeftBehind
from oxtrio.system.pidfd import wait_unseen
from oxtrio.system.proc import ProcessStat, descendants_of, program_of, stat_of
from oxtrio.system.quarters import Quarters
from oxtrio.system.threads import in_thread

__all__ = ["MARKER", "Containment", "Kin", "send", "wait_gone"]

SHELLS = frozenset({"sh", "dash", "bash", "ash", "zsh", "ksh", "busybox", "mksh", "fish"})


class Containment:
    """Finds and ends the processes of runs."""

    def __init__(self, children: Children, quarters: Quarters | NoGround | None = None) -> None:
        self._children = children
        self._kinship = Kinship()
        self._left_behind = LeftBehind(children, self._kinship)
        self._quarters = quarters if isinstance(quarters, Quarters) else None
        self._why_none = quarters.why if isinstance(quarters, NoGround) else ""
        self._jobs, self._asked = trio.open_memory_channel[Callable[[], None]](math.inf)

    @property
    def manner(self) -> str:
        """What is in force, in words."""
        if self._quarters is not None and not self._why_none:
            return f"cgroup {self._quarters.folder}"
        return f"subreaper and descent ({self._why_none})" if self._why_none else "descent"

    async def serve(self) -> NoReturn:
        """Move runs into their cgroups, and remove those that are over.

        Cancelling leaves what is populated.
        """
        try:
            async for job in self._asked:
                await in_thread(job)
            raise AssertionError("nobody closes it")
        finally:
            if self._quarters is not None:
                self._quarters.tidy()

    def admit(self, run_id: str, leader: Child) -> Kin:
        """A new run; from now on what its leader leaves behind is attributed to it."""
        kin = Kin(run_id, leader)
        self._kinship.add(kin)
        return kin

    def house(self, kin: Kin) -> None:
        """Give a run that has just been spawned a cgroup, where it can have one."""
        if self._quarters is not None:
            kin.cgroup = self._quarters.of(kin.run_id)
            self._jobs.send_nowait(partial(self._move_in, self._quarters, kin))

    def find_house(self, kin: Kin) -> None:
        """Go on with the cgroup of a run that somebody else has spawned, if it has one."""
        if self._quarters is not None:
            kin.cgroup = self._quarters.find(kin.run_id, kin.leader.pid)

    def dismiss(self, kin: Kin) -> None:
        """The run is over: nothing of it is left."""
        self._kinship.remove(kin)
        if self._quarters is not None and kin.cgroup is not None:
            self._jobs.send_nowait(partial(self._quarters.move_out, kin.cgroup))

    def _move_in(self, quarters: Quarters, kin: Kin) -> None:
        try:
            quarters.move_in(kin.run_id, kin.leader.pid)
        except OSError as error:
            # What is in it already is found by descent as well.
            self._why_none = f"cannot move a run to its cgroup: {error.strerror}"

    def members(self, kin: Kin) -> list[ProcessStat]:
        """Every live process of the run, the leader first. Some may be gone a moment later."""
        roots = [kin.leader.pid] if kin.leader.alive else []
        left = self._left_behind.now(kin)
        roots += left + self._estranged(kin, left)
        pids = [*roots, *descendants_of(roots), *(kin.cgroup.pids() if kin.cgroup else ())]
        found = [stat_of(pid) for pid in dict.fromkeys(pids)]
        alive = [stat for stat in found if stat is not None and not stat.dead]
        kin.seen.update((stat.pid, stat.started) for stat in alive)
        if len(kin.seen) > 100 + 4 * len(alive):  # a run that lives for years forks for years
            kin.seen = {who for who in kin.seen if exists(who)}
        return alive

    def is_empty(self, kin: Kin) -> bool:
        """Whether it is sure that nothing of the run is left. Once it is, it is for ever."""
        if kin.empty:
            return True
        if kin.leader.alive or (kin.cgroup is not None and kin.cgroup.is_populated):
            return False
        left, sure = self._left_behind.of(kin)
        kin.empty = sure and not left and not self._estranged(kin, left)
        return kin.empty

    async def wait_empty(self, kin: Kin) -> None:
        """Return when nothing of the run is left. Cancelling changes nothing."""
        while not self.is_empty(kin):
            await self._wait_change(kin)

    def tell_main(self, kin: Kin, number: int) -> None:
        """Send a stop signal to the main process; where that is a shell, to its children too.

        A shell does not pass signals on, so the program that it runs would never hear.
        """
        self.members(kin)  # who stems from it is hard to tell once it is gone
        if kin.main is not None and exists((kin.main.pid, kin.main.started)):
            self._tell(kin, kin.main.pid, number)
            return
        pids = [kin.leader.pid]
        if program_of(kin.leader.pid) in SHELLS:
            pids += [stat.pid for stat in self.members(kin) if stat.parent == kin.leader.pid]
        for pid in pids:
            self._tell(kin, pid, number)

    def tell_group(self, kin: Kin, number: int) -> None:
        """Send a stop signal to every process of the run."""
        for stat in self.members(kin):
            self._tell(kin, stat.pid, number)

    def tell_left_behind(self, kin: Kin, number: int) -> None:
        """Send a stop signal to what has lost its parent and was not told before.

        Their descendants are told by them, as workers are by their master.
        """
        left, _ = self._left_behind.of(kin)
        left = left + self._estranged(kin, left)
        for pid in left:
            stat = stat_of(pid)
            if stat is not None and stat.parent not in left:  # a guest sees descendants, too
                self._tell(kin, pid, number)

    async def tell_until_empty(self, kin: Kin, number: int) -> None:
        """Tell what has lost its parent, and what loses it meanwhile; return when all is gone."""
        while not self.is_empty(kin):
            self.tell_left_behind(kin, number)
            await self._wait_change(kin)

    def kill(self, kin: Kin) -> None:
        """SIGKILL to everything of the run: its group, its cgroup, and all descendants."""
        kin.leader.signal_group(signal.SIGKILL)
        descendants = self.members(kin)  # before those that lead to them are gone
        if kin.cgroup is not None:
            kin.cgroup.kill()
        for stat in descendants:
            if stat.pid == kin.leader.pid:
                kin.leader.signal(signal.SIGKILL)
            else:
                send(stat, signal.SIGKILL)

    def _tell(self, kin: Kin, pid: int, number: int) -> None:
        stat = stat_of(pid)
        if stat is None and pid != kin.leader.pid:  # the leader is our child, seen or not
            return
        who = pid, stat.started if stat is not None else kin.leader.started
        if who in kin.told:
            return
        kin.told.add(who)
        # A stopped process only acts on a signal when it is continued.
        for each in (number, signal.SIGCONT):
            if pid == kin.leader.pid or stat is None:
                kin.leader.signal(each)
            else:
                send(stat, each)

    def _estranged(self, kin: Kin, known: list[int]) -> list[int]:
        """Who lives in its cgroup, and whose parent neither does nor is ours: somebody else's."""
        pids = kin.cgroup.pids() if kin.cgroup is not None else []
        stats = [stat_of(pid) for pid in pids if pid != kin.leader.pid and pid not in known]
        return [stat.pid for stat in stats if stat is not None and stat.parent not in pids]

    async def _wait_change(self, kin: Kin) -> None:
        """Return when a child or orphan has ended, the cgroup is empty, or a doubt may be over.

        For when it was not empty a moment ago.
        """
        with trio.move_on_after(LOOK_AGAIN if self._kinship.is_in_doubt else math.inf):
            if kin.cgroup is None or not kin.cgroup.is_populated:
                if not self.is_empty(kin):  # its cgroup may have just become so, silently
                    await self._children.wait_reaped()
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_at_change, kin.cgroup, nursery.cancel_scope)
                await self._children.wait_reaped()  # parks before anything else can happen
                nursery.cancel_scope.cancel()


async def _cancel_at_change(cgroup: Cgroup, scope: trio.CancelScope) -> None:
    await cgroup.wait_change()
    scope.cancel()


async def wait_gone(stat: ProcessStat) -> None:
    """Return when just this process has ended, also where it is no child of ours."""
    try:
        pidfd = os.pidfd_open(stat.pid)
    except OSError:
        await wait_unseen(stat.pid, stat.started)
        return
    try:
        now = stat_of(stat.pid)
        if now is not None and now.started == stat.started:
            await trio.lowlevel.wait_readable(pidfd)
    finally:
        os.close(pidfd)


def send(stat: ProcessStat, number: int) -> bool:
    """Send a signal to just this process; False when it is gone. A recycled pid is never hit."""
    with contextlib.suppress(OSError):
        pidfd = _pidfd_of(stat.pid)
        try:
            now = stat_of(stat.pid)
            if now is not None and now.started == stat.started:
                if pidfd is None:  # as sure as it can be without one
                    os.kill(stat.pid, number)
                else:
                    signal.pidfd_send_signal(pidfd, number)
                return True
        finally:
            if pidfd is not None:
                os.close(pidfd)
    return False


def _pidfd_of(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.pidfd_open(pid)
    return None

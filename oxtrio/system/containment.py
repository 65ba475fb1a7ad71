"""Which process belongs to which run, and the end of all of them.

While a leader lives, its run is what stems from it. When it ends, what it leaves behind becomes
our own child (we are a subreaper), and is attributed by session, by process group, by having
been seen below the leader before, and last by the marker in its environment.
"""

import contextlib
import math
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import trio

from oxtrio.system.children import Child, Children
from oxtrio.system.proc import ProcessStat, descendants_of, environ_of, program_of, stat_of

MARKER = "OXTRIO_RUN_ID"
SHELLS = frozenset({"sh", "dash", "bash", "ash", "zsh", "ksh", "busybox", "mksh", "fish"})

LOOKS = 5
"""Times that we look for what a run left behind, while processes end under our eyes."""

LOOK_AGAIN = 0.02
"""Seconds between two looks at one that is in doubt: a program is loaded without an event."""
DOUBT = 0.3
"""Seconds after which one that shows no environment is taken for one that has none."""

Identity = tuple[int, int]
"""(pid, start time): a recycled pid has another start time."""


@dataclass(slots=True, eq=False)
class Kin:
    """The processes of one run: its leader, and all that stems from it."""

    run_id: str
    leader: Child
    seen: set[Identity] = field(default_factory=set)
    """Descendants that were below the leader when somebody looked."""
    main: ProcessStat | None = None
    """The one that it named as its main process, where that is not the leader."""
    told: set[Identity] = field(default_factory=set)
    """Those that have been sent the stop signal of this stop."""


class Containment:
    """Finds and ends the processes of runs, daemonised ones included."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self._kin: dict[int, Kin] = {}
        self._owners: dict[Identity, Kin | None] = {}
        self._doubtful: dict[Identity, float] = {}
        """Who showed no environment when first looked at, and when that was."""

    def admit(self, run_id: str, leader: Child) -> Kin:
        """A new run; from now on what its leader leaves behind is attributed to it."""
        kin = self._kin[leader.pid] = Kin(run_id, leader)
        return kin

    def dismiss(self, kin: Kin) -> None:
        """The run is over: nothing of it is left."""
        if self._kin.get(kin.leader.pid) is kin:
            del self._kin[kin.leader.pid]
        self._owners = {who: owner for who, owner in self._owners.items() if owner is not kin}

    def members(self, kin: Kin) -> list[ProcessStat]:
        """Every live process of the run, the leader first. Some may be gone a moment later."""
        roots = [kin.leader.pid] if kin.leader.alive else []
        roots += self._left_behind(kin)[0]
        found = [stat_of(pid) for pid in (*roots, *descendants_of(roots))]
        alive = [stat for stat in found if stat is not None and not stat.dead]
        kin.seen.update((stat.pid, stat.started) for stat in alive)
        if len(kin.seen) > 100 + 4 * len(alive):  # a run that lives for years forks for years
            kin.seen = {who for who in kin.seen if _exists(who)}
        return alive

    def is_empty(self, kin: Kin) -> bool:
        """Whether it is sure that nothing of the run is left."""
        if kin.leader.alive:
            return False
        left, settled = self._left_behind(kin)
        return settled and not left

    async def wait_empty(self, kin: Kin) -> None:
        """Return when nothing of the run is left. Cancelling changes nothing."""
        while not self.is_empty(kin):
            await self._wait_change()

    def tell_main(self, kin: Kin, number: int) -> None:
        """Send a stop signal to the main process; where that is a shell, to its children too.

        A shell does not pass signals on, so the program that it runs would never hear.
        """
        self.members(kin)  # who stems from it is hard to tell once it is gone
        if kin.main is not None and _exists((kin.main.pid, kin.main.started)):
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
        left, _ = self._left_behind(kin)
        for pid in left:
            stat = stat_of(pid)
            if stat is not None and stat.parent not in left:  # a guest sees descendants, too
                self._tell(kin, pid, number)

    async def tell_until_empty(self, kin: Kin, number: int) -> None:
        """Tell what has lost its parent, and what loses it meanwhile; return when all is gone."""
        while not self.is_empty(kin):
            self.tell_left_behind(kin, number)
            await self._wait_change()

    def kill(self, kin: Kin) -> None:
        """SIGKILL to everything of the run: its group, and all descendants."""
        kin.leader.signal_group(signal.SIGKILL)
        for stat in self.members(kin):
            if stat.pid == kin.leader.pid:
                kin.leader.signal(signal.SIGKILL)
            else:
                send(stat, signal.SIGKILL)

    def _tell(self, kin: Kin, pid: int, number: int) -> None:
        stat = stat_of(pid)
        if stat is None or (stat.pid, stat.started) in kin.told:
            return
        kin.told.add((stat.pid, stat.started))
        # A stopped process only acts on a signal when it is continued.
        for each in (number, signal.SIGCONT):
            if pid == kin.leader.pid:
                kin.leader.signal(each)
            else:
                send(stat, each)

    def _left_behind(self, kin: Kin) -> tuple[list[int], bool]:
        """What lost its leader, and whether that is sure.

        A process that ends between the list and the look at it hands its children over to us
        in that moment. So it is sure when nobody did that since the look before, and nobody
        is in doubt.
        """
        gone_before: set[int] = set()
        left: list[int] = []
        for _ in range(LOOKS):
            pids = self._children.orphans()
            owners = {pid: self._owner(pid) for pid in pids}
            left = [pid for pid in pids if owners[pid] is kin]
            gone = {pid for pid in pids if owners[pid] is None and not _lives(pid)}
            self._forget_all_but({*pids}, gone)
            if gone <= gone_before:
                return left, not self._doubtful
            gone_before = gone
        return left, False

    def _owner(self, pid: int) -> Kin | None:
        stat = stat_of(pid)
        if stat is None or stat.dead:
            return None
        who = (pid, stat.started)
        if who in self._owners:
            return self._owners[who]
        environ = environ_of(pid)
        owner = self._attribute(stat, environ)
        now = time.monotonic()
        # One that is just ending, or just beginning a program, shows no environment either.
        if owner is not None or environ or now - self._doubtful.setdefault(who, now) >= DOUBT:
            self._owners[who] = owner
            self._doubtful.pop(who, None)
        return owner

    def _forget_all_but(self, here: set[int], gone: set[int]) -> None:
        # As PID 1 we get orphans for years that belong to no run (`docker exec`).
        if len(self._owners) > 2 * len(here):
            self._owners = {who: kin for who, kin in self._owners.items() if who[0] in here}
        for who in [who for who in self._doubtful if who[0] not in here - gone]:
            del self._doubtful[who]

    async def _wait_change(self) -> None:
        """Return at the next end of a child or orphan, or when a doubt may be over."""
        with trio.move_on_after(LOOK_AGAIN if self._doubtful else math.inf):
            await self._children.wait_reaped()

    def _attribute(self, stat: ProcessStat, environ: Mapping[bytes, bytes]) -> Kin | None:
        # A pid stays taken while it names a session or group, so these cannot be recycled.
        for leader in (stat.session, stat.group):
            if leader in self._kin:
                return self._kin[leader]
        who = (stat.pid, stat.started)
        for kin in self._kin.values():
            if who in kin.seen:
                return kin
        markers = environ.get(MARKER.encode(), b"").split(b":")
        return next((kin for kin in self._kin.values() if kin.run_id.encode() in markers), None)


def _lives(pid: int) -> bool:
    stat = stat_of(pid)
    return stat is not None and not stat.dead


def _exists(who: Identity) -> bool:
    stat = stat_of(who[0])
    return stat is not None and stat.started == who[1]


async def wait_gone(stat: ProcessStat) -> None:
    """Return when just this process has ended, also where it is no child of ours."""
    try:
        pidfd = os.pidfd_open(stat.pid)
    except ProcessLookupError:
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
        try:
            pidfd = os.pidfd_open(stat.pid)
        except ProcessLookupError:
            return False
        try:
            now = stat_of(stat.pid)
            if now is not None and now.started == stat.started:
                signal.pidfd_send_signal(pidfd, number)
                return True
        finally:
            os.close(pidfd)
    return False

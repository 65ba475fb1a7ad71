"""Which run a process belongs to that has lost its parent.

By session and process group; by having been seen below the leader; by its birthmark; by its
cgroup; and last by the marker in its environment. Each finds some that all others would miss.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from oxtrio.system.birthmark import birthmark, birthmark_of
from oxtrio.system.cgroup import Cgroup, cgroup_of
from oxtrio.system.children import Child
from oxtrio.system.proc import ProcessStat, environ_of, stat_of

MARKER = "OXTRIO_RUN_ID"

DOUBT = 0.3
"""Seconds after which one that shows no environment is taken for one that has none."""

Identity = tuple[int, int]
"""(pid, start time): a recycled pid has another start time."""


@dataclass(slots=True, eq=False)
class Kin:
    """The processes of one run: its leader, and all that stems from it."""

    run_id: str
    leader: Child
    cgroup: Cgroup | None = None
    """Where they live, once they have been moved there; they can leave it."""
    seen: set[Identity] = field(default_factory=set)
    """Descendants that were below the leader when somebody looked."""
    main: ProcessStat | None = None
    """The one that it named as its main process, where that is not the leader."""
    told: set[Identity] = field(default_factory=set)
    """Those that have been sent the stop signal of this stop."""
    empty: bool = False
    """It was sure once that nothing of it is left, which then stays so."""


@dataclass(frozen=True, slots=True)
class Orphans:
    """Processes that have lost their parent, by pid: each with its run, None where it has none."""

    alive: dict[int, Kin | None]
    gone: dict[int, Kin | None]
    """Those that had ended before they could be looked at."""


class Kinship:
    """Knows all runs, and attributes processes to them."""

    def __init__(self) -> None:
        self._kin: dict[int, Kin] = {}
        self._by_birthmark: dict[int, Kin] = {}
        self._owners: dict[Identity, Kin | None] = {}
        self._doubtful: dict[Identity, float] = {}
        """Who showed no environment when first looked at, and when that was."""

    def add(self, kin: Kin) -> None:
        """From now on processes can belong to it."""
        self._kin[kin.leader.pid] = kin
        self._by_birthmark[birthmark(kin.run_id)] = kin

    def remove(self, kin: Kin) -> None:
        """Nothing of it is left."""
        if self._kin.get(kin.leader.pid) is kin:
            del self._kin[kin.leader.pid]
        self._by_birthmark.pop(birthmark(kin.run_id), None)
        self._owners = {who: owner for who, owner in self._owners.items() if owner is not kin}

    @property
    def is_in_doubt(self) -> bool:
        """Whether somebody was looked at of whom more may be known in a moment."""
        return bool(self._doubtful)

    def over(self) -> frozenset[Kin]:
        """The runs whose leader has ended."""
        return frozenset(kin for kin in self._kin.values() if not kin.leader.alive)

    def sort(self, pids: Iterable[int]) -> Orphans:
        """Whose they are that have lost their parent."""
        orphans = Orphans({}, {})
        for pid in pids:
            stat = stat_of(pid)
            if stat is None or stat.dead:
                orphans.gone[pid] = self._of_session(stat) if stat is not None else None
            else:
                orphans.alive[pid] = self._owner(stat)
        self._forget_all_but(orphans.alive)
        return orphans

    def _owner(self, stat: ProcessStat) -> Kin | None:
        who = (stat.pid, stat.started)
        if who in self._owners:
            return self._owners[who]
        owner = self._attribute(stat)
        environ = {} if owner is not None else environ_of(stat.pid)
        owner = owner or self._marked(environ)
        now = time.monotonic()
        # One that is just ending, or just beginning a program, shows no environment either.
        if owner is not None or environ or now - self._doubtful.setdefault(who, now) >= DOUBT:
            self._owners[who] = owner
            self._doubtful.pop(who, None)
        return owner

    def _forget_all_but(self, here: Collection[int]) -> None:
        # As PID 1 we get orphans for years that belong to no run (`docker exec`).
        if len(self._owners) > 2 * len(here):
            self._owners = {who: kin for who, kin in self._owners.items() if who[0] in here}
        for who in [who for who in self._doubtful if who[0] not in here]:
            del self._doubtful[who]

    def _of_session(self, stat: ProcessStat) -> Kin | None:
        # A pid stays taken while it names a session or group, so these cannot be recycled.
        return self._kin.get(stat.session) or self._kin.get(stat.group)

    def _attribute(self, stat: ProcessStat) -> Kin | None:
        if (owner := self._of_session(stat)) is not None:
            return owner
        who = (stat.pid, stat.started)
        for kin in self._kin.values():
            if who in kin.seen:
                return kin
        mark = birthmark_of(stat.pid)
        if mark in self._by_birthmark:
            return self._by_birthmark[mark]
        if any(kin.cgroup is not None for kin in self._kin.values()):
            parts = (cgroup_of(stat.pid) or "").split("/")
            return next((kin for kin in self._kin.values() if kin.run_id in parts), None)
        return None

    def _marked(self, environ: Mapping[bytes, bytes]) -> Kin | None:
        markers = environ.get(MARKER.encode(), b"").split(b":")
        return next((kin for kin in self._kin.values() if kin.run_id.encode() in markers), None)


def exists(who: Identity) -> bool:
    """Whether just this process is there, be it a zombie."""
    stat = stat_of(who[0])
    return stat is not None and stat.started == who[1]

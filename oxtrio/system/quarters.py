"""The cgroups of one project: a folder of its own below that of the supervisor, and one per run.

A run is moved into its folder after the spawn, in a thread: moving a process waits until all
processors have taken note (8 ms, up to 30 ms; 0.05 ms when somebody has just done it), and nobody
should wait for that, neither the app nor the supervisor. What the run forks meanwhile is found by
its birthmark among those that are still where the supervisor is; that is done again until
nobody with that mark is left there, so that none gets away. The supervisor itself never moves.
"""

import contextlib
import os
import time
from collections.abc import Collection

from oxtrio.system.birthmark import birthmark, birthmark_of
from oxtrio.system.cgroup import Cgroup, cgroup_of
from oxtrio.system.delegation import Ground, NoGround, find_ground

OLD = 60.0
"""Seconds after which one that is empty is not about to be filled."""
ROUNDS = 1000
"""Looks at who is left behind, of 50 µs: against a run that forks faster than it can be moved."""


class Quarters:
    """Where the runs of one project live. What has to do with moving may block for 30 ms."""

    def __init__(self, ground: Ground, project_id: str) -> None:
        self._ground = ground
        self.folder = f"{ground.folder}/oxtrio-{project_id}"

    def of(self, run_id: str) -> Cgroup:
        """The cgroup of a run of ours, be it there or not."""
        return Cgroup(f"{self.folder}/{run_id}")

    def find(self, run_id: str, pid: int) -> Cgroup | None:
        """That of a run that an earlier supervisor has spawned, wherever that one lived.

        *pid* is its leader, which may be gone. None where there is none, or we are in it.
        """
        found = self.of(run_id)
        parts = (cgroup_of(pid) or "").split("/")
        where = self._ground.hierarchy.folder_of(pid)
        if run_id in parts and where is not None:
            below = len(parts) - 1 - parts.index(run_id)
            found = Cgroup(os.path.normpath(where + "/.." * below))
        return found if os.path.isdir(found.folder) and not found.has("self") else None

    def move_in(self, run_id: str, leader: int) -> None:
        """Make the folder of a run that has just been spawned, and move all of it there.

        Blocks. Raises `OSError` where that cannot be; what has been moved stays there.
        """
        cgroup, mark = self.of(run_id), birthmark(run_id)
        os.makedirs(cgroup.folder, exist_ok=True)
        if not cgroup.has(leader):
            self._move(cgroup, [leader])
        ours = Cgroup(self._ground.hierarchy.folder_of("self") or self._ground.folder)
        for _ in range(ROUNDS):
            left = [pid for pid in ours.own_pids() if birthmark_of(pid) == mark]
            if not left:
                return
            self._move(cgroup, left)

    def move_out(self, cgroup: Cgroup) -> None:
        """Nothing of a run is left: its folder goes, and what held it where that is empty now."""
        if cgroup.remove():
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(cgroup.folder))

    def tidy(self, spared: Collection[str] = ()) -> None:
        """Remove what dead supervisors have left here and nobody lives in."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self.folder):
                if name not in spared and "." not in name:
                    Cgroup(f"{self.folder}/{name}").remove()
            os.rmdir(self.folder)

    @staticmethod
    def _move(cgroup: Cgroup, pids: Collection[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                cgroup.take_in(pid)


def open_quarters(project_id: str, *, wanted: bool = True) -> Quarters | NoGround:
    """Quarters for a project, where there can be some; what dead supervisors left is removed."""
    ground = find_ground() if wanted else NoGround("OXTRIO_CGROUPS=off")
    if isinstance(ground, NoGround):
        return ground
    quarters = Quarters(ground, project_id)
    quarters.tidy()
    _tidy_others(ground)
    return quarters


def _tidy_others(ground: Ground) -> None:
    """The same for other projects, but for what one that lives may just be about to fill."""
    with contextlib.suppress(OSError):
        for name in os.listdir(ground.folder):
            other = f"{ground.folder}/{name}"
            if name.startswith("oxtrio-") and time.time() - os.stat(other).st_mtime > OLD:
                Cgroup(other).remove()

"""Evidence that the kernel killed a process because memory ran out.

The kernel counts such kills for each cgroup. A count that is higher at the exit of a run
than at its spawn makes a SIGKILL that nobody sent no riddle any more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class _Mount:
    root: str
    point: str
    kind: str
    options: str


def oom_kills(proc: Path = PROC) -> int | None:
    """How many processes the kernel has killed so in our cgroup; None where nothing tells.

    Where the cgroup does not count (the root one, no cgroups at all) those of the whole
    machine. It only ever grows.
    """
    for path in _places(proc):
        count = _count(path)
        if count is not None:
            return count
    return None


@cache
def _places(proc: Path) -> tuple[Path, ...]:
    """Where to look: once, as it is asked for at every spawn and our cgroup stays."""
    return (*_counters(proc), proc / "vmstat")


def _counters(proc: Path) -> Iterator[Path]:
    """The files that may hold the counter: cgroup v2 before v1."""
    mounts = list(_mounts(proc))
    for line in _lines(proc / "self/cgroup"):
        _, controllers, group = line.split(":", 2)
        for mount in mounts:
            if controllers == "" and mount.kind == "cgroup2":
                yield _inside(mount, group) / "memory.events"
    for line in _lines(proc / "self/cgroup"):
        _, controllers, group = line.split(":", 2)
        for mount in mounts:
            memory = "memory" in controllers.split(",") and "memory" in mount.options.split(",")
            if memory and mount.kind == "cgroup":
                yield _inside(mount, group) / "memory.oom_control"


def _inside(mount: _Mount, group: str) -> Path:
    """The folder of *group*; a container may see only what is below its own root."""
    if mount.root != "/" and (group == mount.root or group.startswith(f"{mount.root}/")):
        group = group.removeprefix(mount.root)
    return Path(mount.point + "/" + group.strip("/"))


def _mounts(proc: Path) -> Iterator[_Mount]:
    """See proc_pid_mountinfo(5): a "-" ends the optional fields."""
    for line in _lines(proc / "self/mountinfo"):
        head, _, tail = line.partition(" - ")
        fields, rest = head.split(), tail.split()
        if len(fields) > 4 and len(rest) > 2 and rest[0].startswith("cgroup"):
            yield _Mount(root=fields[3], point=fields[4], kind=rest[0], options=rest[2])


def _count(path: Path) -> int | None:
    for line in _lines(path):
        name, _, number = line.partition(" ")
        if name == "oom_kill" and number.strip().isdigit():
            return int(number)
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []

"""What /proc tells of a process. A process that is gone is None or empty, never an error."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """The fields of /proc/<pid>/stat that identify a process and its kin (proc_pid_stat(5))."""

    pid: int
    name: str
    state: str
    parent: int
    group: int
    session: int
    started: int
    """Clock ticks since boot; with the boot id and the pid it is the identity of a process."""

    @property
    def dead(self) -> bool:
        """A zombie is dead: it only waits for its parent to take note."""
        return self.state in "ZXx"


def stat_of(pid: int) -> ProcessStat | None:
    """The stat line of *pid*, or None where there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The name may hold spaces and brackets: everything up to the last bracket belongs to it.
    head, _, tail = text.rpartition(b")")
    fields = tail.split()
    if len(fields) < 20:
        return None
    return ProcessStat(
        pid=pid,
        name=head.partition(b"(")[2].decode(errors="replace"),
        state=fields[0].decode(),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        started=int(fields[19]),
    )


def children_of(pid: int | str) -> list[int]:
    """The direct children of *pid* ("self" for our own), zombies included.

    Children are listed per thread, so all threads are read (proc_pid_task_children(5)).
    """
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found.extend(map(int, file.read().split()))
        except OSError:
            continue
    return found


def descendants_of(roots: Iterable[int]) -> list[int]:
    """All that stem from *roots*, without the roots themselves."""
    found: list[int] = []
    seen = set(roots)
    waiting = list(seen)
    while waiting:
        for child in children_of(waiting.pop()):
            if child not in seen:
                seen.add(child)
                found.append(child)
                waiting.append(child)
    return found


def is_in_our_world(pid: int) -> bool:
    """Whether *pid* sees the same processes and the same files as we do.

    False where we may not know: of a container, and of another user.
    """
    try:
        return all(
            os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")
            for kind in ("pid", "mnt")
        )
    except OSError:
        return False


def environ_of(pid: int) -> dict[bytes, bytes]:
    """The environment that *pid* was started with; empty where it may not be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return {}
    return dict(entry.split(b"=", 1) for entry in entries if b"=" in entry)


def program_of(pid: int) -> str:
    """The file name of the program that *pid* executes, or "".

    Where that may not be read (root in a container, another user): its name for the kernel.
    """
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)")
    except PermissionError:
        stat = stat_of(pid)
        return stat.name if stat is not None else ""
    except OSError:
        return ""


def all_pids() -> list[int]:
    """Every process that this one can see."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


@cache
def boot_id() -> str:
    """A name for this boot of the machine; "" where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""

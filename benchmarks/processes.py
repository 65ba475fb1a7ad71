"""The processes that a benchmark started: all of them, daemons too, and their end.

The benchmark is made the subreaper of what it starts, so that a supervisor that goes into the
background becomes its child, and nothing that it started can escape it.
"""

import ctypes
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")


def adopt_orphans() -> None:
    """To be called once, before anything is started."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot become a subreaper")


def descendants(pid: int | str = "self") -> Iterator[int]:
    """All processes below *pid* that still run."""
    for child in _children(pid):
        if _state(child) not in ("Z", ""):
            yield child
        yield from descendants(child)


def end_descendants() -> None:
    """Kill whatever is left below this process, and what that leaves; returns when all is gone.

    Raises TimeoutError after 10 s.
    """
    deadline = time.monotonic() + 10
    while True:
        left = list(descendants())
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _reap()
        if not left:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes that do not end: {left}")
        time.sleep(0.005)


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time so far, in the ticks of /proc."""
    return sum(_cpu_ticks(pid) for pid in pids) / _TICKS


def switches(pids: Iterable[int]) -> Counter[str]:
    """How often each thread of *pids* has left its CPU so far, of its own will or not.

    By thread: one that ends takes its count with it.
    """
    return Counter(
        {
            task.name: sum(
                int(line.split()[1])
                for line in (task / "status").read_text().splitlines()
                if "ctxt_switches" in line
            )
            for pid in pids
            for task in Path(f"/proc/{pid}/task").iterdir()
        }
    )


def memory(pids: Iterable[int], kind: str) -> float:
    """MiB; *kind* is `Rss` or `Pss` (which counts shared pages once)."""
    return sum(_rollup(pid, kind) for pid in pids) / 1024


def _children(pid: int | str) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def _state(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _rollup(pid: int, kind: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1])
    return 0


def _reap() -> None:
    for pid in _children("self"):
        if _state(pid) == "Z":
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

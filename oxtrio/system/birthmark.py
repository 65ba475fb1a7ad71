"""A mark that every process of a run is born with, and that no wiped environment removes.

RLIMIT_LOCKS limits nothing since Linux 2.4, and is inherited all the same: by fork and execve, in
a new session, as another user. So the soft limit of a run is a number that is made of its id,
which costs two system calls of a microsecond. The supervisor has it for the moment of the spawn,
so that there is no instant in which a process of the run is without it.
"""

import contextlib
import hashlib
import os
import resource
from collections.abc import Iterator

RLIMIT_LOCKS = 10  # asm-generic/resource.h; Python has no name for it


def birthmark(run_id: str) -> int:
    """The number that stands for *run_id*: large, so that it restricts nobody's own use of it."""
    digest = hashlib.blake2b(run_id.encode(), digest_size=8).digest()
    return 1 << 61 | int.from_bytes(digest) >> 3


@contextlib.contextmanager
def inherited(run_id: str) -> Iterator[None]:
    """What is spawned inside has the birthmark of *run_id*; without an id, our own.

    Where the hard limit leaves no room for it, it goes without.
    """
    before = resource.getrlimit(RLIMIT_LOCKS)
    with contextlib.suppress(OSError, ValueError):
        if run_id:
            resource.setrlimit(RLIMIT_LOCKS, (birthmark(run_id), before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(RLIMIT_LOCKS, before)


def birthmark_of(pid: int) -> int | None:
    """The birthmark of a process; None where it has none, or is gone."""
    try:
        soft, _ = resource.prlimit(pid, RLIMIT_LOCKS)
    except PermissionError:  # of another user, and we may not change its limits
        soft = _from_proc(pid)
    except OSError:
        return None
    return None if soft == resource.RLIM_INFINITY else soft


def _from_proc(pid: int) -> int:
    """The same by a file that all may read, which takes 20 times as long."""
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/limits", "rb") as file:
        for line in file:
            if line.startswith(b"Max file locks"):
                return int(line.split()[3])
    return resource.RLIM_INFINITY


def has_birthmarks() -> bool:
    """Whether this system hands them on."""
    with inherited("trial"):
        return birthmark_of(os.getpid()) == birthmark("trial")

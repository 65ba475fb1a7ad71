"""What the kernel tells of a process by its pidfd, also to who is not its parent."""

import ctypes
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from oxtrio.system.proc import stat_of

_EXIT = 1 << 3
_SIZE = 64
_ASK = (3 << 30) | (_SIZE << 16) | (0xFF << 8) | 11
"""PIDFD_GET_INFO, Linux 6.13; PIDFD_INFO_EXIT in it, Linux 6.15."""
_GET_FD = 438
"""pidfd_getfd(2), Linux 5.6: the same number on every architecture."""
LOOK_EVERY = 0.1
"""Seconds."""

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def opened(pid: int) -> Iterator[int]:
    """A pidfd of *pid*. Raises `OSError`."""
    pidfd = os.pidfd_open(pid)
    try:
        yield pidfd
    finally:
        os.close(pidfd)


def copy_of(pidfd: int, descriptor: int) -> int:
    """A copy of *descriptor* of another process, close-on-exec: the caller's.

    Raises `OSError`: EPERM where we may not trace that process (ptrace(2), Yama).
    """
    copy = int(_libc.syscall(_GET_FD, pidfd, descriptor, 0))
    if copy < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return copy


def exit_status(pidfd: int) -> int | None:
    """The wait status of a process that has ended and was reaped; None where it is not told."""
    answer = bytearray(_SIZE)
    struct.pack_into("Q", answer, 0, _EXIT)
    try:
        fcntl.ioctl(pidfd, _ASK, answer)
    except OSError:
        return None
    (mask,) = struct.unpack_from("Q", answer, 0)
    (status,) = struct.unpack_from("i", answer, _SIZE - 4)
    return int(status) if mask & _EXIT else None


async def wait_unseen(pid: int, started: int) -> None:
    """Return when just this process has ended, where there is no pidfd that tells it.

    In gVisor, behind a filter of system calls, or with no descriptor left. Cancelling does
    nothing.
    """
    while (stat := stat_of(pid)) is not None and not stat.dead:  # noqa: ASYNC110 - no event tells
        if stat.started != started:
            return
        await trio.sleep(LOOK_EVERY)

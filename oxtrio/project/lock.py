"""Who serves a project: whoever holds its lock. A pid in a file would prove nothing."""

import fcntl
import os
import time
from collections.abc import Sequence
from contextlib import suppress

from oxtrio.errors import AlreadyRunning

MOMENT = 0.2
"""Seconds for which a lock may be held by somebody who only looks."""
LOOK_EVERY = 0.01
"""Seconds between two tries: flock(2) cannot be waited for with a deadline."""
LOOKERS = 0.5
"""Seconds after which who holds a lock cannot be one that only looks, as `is_held` does."""


class Lock:
    """The lock of a project, for the life of a supervisor. It ends with the process."""

    def __init__(self, path: str, state: str | None = None) -> None:
        """Take the lock. Raises `AlreadyRunning` where somebody else has it.

        *state* is a folder that is still there when somebody has wiped the one of *path*.
        """
        # The folder is locked too: whoever deletes the file cannot make room for a second one.
        self._held = [take(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)]
        try:
            self._held.append(take(path))
            if state is not None:
                with suppress(OSError):  # a network file system may not know locks of folders
                    self._held.append(_take_folder(state))
        except BaseException:
            self.release()
            raise

    @classmethod
    def handed(cls, descriptors: Sequence[int]) -> "Lock":
        """The lock that the program before us has held in this process."""
        lock = cls.__new__(cls)
        lock._held = list(descriptors)
        return lock

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What holds it, for a program that takes our place."""
        return tuple(self._held)

    def release(self) -> None:
        """Let go of it. Waiting clients see at once that the supervisor is gone."""
        for descriptor in self._held:
            os.close(descriptor)
        self._held = []


def take(path: str, flags: int = os.O_RDWR | os.O_CREAT) -> int:
    """A descriptor that holds the lock of *path*, until its last copy is closed.

    Raises `AlreadyRunning` where somebody else has it.
    """
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + LOOKERS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError:
            if time.monotonic() >= end:
                os.close(descriptor)
                raise AlreadyRunning(
                    "a supervisor already serves this project", "oxtrio status shows it"
                ) from None
        time.sleep(LOOK_EVERY)


def _take_folder(path: str) -> int:
    """The same of a folder. Raises `OSError` where it cannot be locked by anybody."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pass  # it is taken, or looked at: just that has to be found out
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return take(path, os.O_RDONLY | os.O_DIRECTORY)


def holder(path: str) -> int:
    """Who has the lock of this file or folder, by pid; 0 where that cannot be told."""
    with suppress(OSError, ValueError):
        inode = str(os.stat(path).st_ino)
        with open("/proc/locks") as file:
            for line in file:
                words = line.split()
                if words[1:4:2] == ["FLOCK", "WRITE"] and words[5].rpartition(":")[2] == inode:
                    return int(words[4])
    return 0


def is_held(path: str, state: str | None = None) -> bool:
    """Whether a supervisor serves the project of this lock."""
    if state is not None and _is_blocked(state):
        return True
    if os.path.exists(path):
        return is_taken(path)
    return is_taken(os.path.dirname(path))  # somebody may have deleted the file


def _is_blocked(path: str) -> bool:
    """Whether somebody has the lock of this folder; not where locks are unknown there."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False


def is_taken(path: str) -> bool:
    """Whether somebody has the lock of just this file or folder."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False

"""Who serves a project: whoever holds its lock. A pid in a file would prove nothing."""

import fcntl
import os
import time
from collections.abc import Sequence

from oxtrio.errors import AlreadyRunning

MOMENT = 0.2
"""Seconds for which a lock may be held by somebody who only looks."""
LOOK_EVERY = 0.01
"""Seconds between two tries: flock(2) cannot be waited for with a deadline."""
LOOKERS = 0.5
"""Seconds after which who holds a lock cannot be one that only looks, as `is_held` does."""


class Lock:
    """The lock of a project, for the life of a supervisor. It ends with the process."""

    def __init__(self, path: str) -> None:
        """Take the lock. Raises `AlreadyRunning` where somebody else has it."""
        # The folder is locked too: whoever deletes the file cannot make room for a second one.
        self._held = [take(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)]
        try:
            self._held.append(take(path))
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


def is_held(path: str) -> bool:
    """Whether a supervisor serves the project of this lock."""
    if os.path.exists(path):
        return is_taken(path)
    return is_taken(os.path.dirname(path))  # somebody may have deleted the file


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

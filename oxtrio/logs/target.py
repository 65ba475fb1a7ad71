"""What a log is written to: opened, and written, without ever being blocked by it."""

import errno
import os
import stat
from contextlib import suppress

from oxtrio.logs.backlog import LINE_MAX

_SPECIAL = ("/dev/", "/proc/")
_FOLDER_MODE, _FILE_MODE = 0o755, 0o640


class Target:
    """An open file: a *regular* one is rotated and indexed, any other is only written to."""

    __slots__ = ("fd", "inode", "regular", "size")

    def __init__(self, fd: int, *, regular: bool) -> None:
        found = os.fstat(fd)
        if regular and not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EBUSY, "it was replaced while it was opened")
        self.fd = fd
        self.regular = regular
        self.inode = found.st_ino
        self.size = found.st_size if regular else 0

    def append(self, data: bytes) -> tuple[int, OSError | None]:
        """Write *data*: how much of it stays, and what went wrong. Never raises OSError.

        A regular file takes all or nothing, so that no line is torn.
        """
        done, failed = 0, None
        try:
            done = os.write(self.fd, data)
            while done < len(data):
                done += os.write(self.fd, memoryview(data)[done:])
        except OSError as error:
            failed = error
            if done and self.regular and self._undo(done):
                done = 0
        self.size += done
        return done, failed

    def line_end(self) -> bool:
        """Whether the next byte begins a line."""
        return not self.size or os.pread(self.fd, 1, self.size - 1) == b"\n"

    def last_line(self) -> bytes:
        """What stands after the last newline, at most 1 MiB."""
        start = max(0, self.size - LINE_MAX)
        tail = os.pread(self.fd, self.size - start, start)
        return tail[tail.rfind(b"\n") + 1 :]

    def _undo(self, done: int) -> bool:
        with suppress(OSError):
            if os.fstat(self.fd).st_size == self.size + done:
                os.ftruncate(self.fd, self.size)
                return True
        return False  # somebody else writes here too


def open_target(path: str) -> Target:
    """Open *path* for appending, with the folders that lead to it. Raises OSError."""
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode) and not path.startswith(_SPECIAL)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), _FOLDER_MODE, exist_ok=True)
        regular = True
    # O_NONBLOCK: a FIFO without a reader answers ENXIO instead of waiting for one. The open
    # file description is our own, nobody else's reads or writes change by it.
    flags = os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    flags |= os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW if regular else os.O_WRONLY
    fd = os.open(path, flags, _FILE_MODE)
    try:
        return Target(fd, regular=regular)
    except BaseException:
        os.close(fd)
        raise


def real_path(path: str) -> str:
    """Where the log at *path* really is: a link is followed only if it is ours or root's.

    Anybody else's link is left as it is, and refused when it is opened.
    """
    if path.startswith(_SPECIAL) or not os.path.islink(path):
        return path
    trusted = os.lstat(path).st_uid in (0, os.geteuid())
    return os.path.realpath(path) if trusted else path

"""What a log is written to: opened, and written, without ever being blocked by it."""

import errno
import os
import re
import stat
from contextlib import suppress

from oxtrio.logs.backlog import LINE_MAX

_SPECIAL = ("/dev/", "/proc/")
_OWN = re.compile(r"(?:/dev|/proc/self)/(stdout|stderr|fd/[0-9]+)")
_STANDARD = {"stdout": 1, "stderr": 2}
_FOLDER_MODE, _FILE_MODE = 0o755, 0o640


class Target:
    """An open file: a *regular* one is rotated and indexed, any other is only written to."""

    __slots__ = ("_shared", "fd", "inode", "regular", "size")

    def __init__(self, fd: int, *, regular: bool, shared: bool = False) -> None:
        found = os.fstat(fd)
        if regular and not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EBUSY, "it was replaced while it was opened")
        self.fd = fd
        self._shared = shared
        self.regular = regular
        self.inode = found.st_ino
        self.size = found.st_size if regular else 0

    def append(self, data: bytes) -> tuple[int, OSError | None]:
        """Write *data*: how much of it stays, and what went wrong. Never raises OSError.

        A regular file takes all or nothing, so that no line is torn.
        """
        done, failed = 0, None
        try:
            done = self._write(data)
            while done < len(data):
                done += self._write(memoryview(data)[done:])
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

    def _write(self, data: bytes | memoryview) -> int:
        if self._shared:
            # Others use this open file description: it keeps its mode, only we do not wait.
            return os.pwritev(self.fd, [data], -1, os.RWF_NOWAIT)
        return os.write(self.fd, data)

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
    own = _own_socket(path)
    fd = os.open(path, flags, _FILE_MODE) if own is None else os.dup(own)
    try:
        return Target(fd, regular=regular, shared=own is not None)
    except BaseException:
        os.close(fd)
        raise


def _own_socket(path: str) -> int | None:
    """The descriptor that *path* names where it is a socket, as stdout is under systemd.

    A socket is the one thing that cannot be opened by its name in /dev or /proc.
    """
    named = _OWN.fullmatch(path)
    if named is None or not stat.S_ISSOCK(os.stat(path).st_mode):
        return None
    return _STANDARD.get(named[1]) or int(named[1].removeprefix("fd/"))


def real_path(path: str) -> str:
    """Where the log at *path* really is: a link is followed only if it is ours or root's.

    Anybody else's link is left as it is, and refused when it is opened.
    """
    if path.startswith(_SPECIAL) or not os.path.islink(path):
        return path
    trusted = os.lstat(path).st_uid in (0, os.geteuid())
    return os.path.realpath(path) if trusted else path


def true_name(path: str) -> str:
    """What all names of one log have in common, whichever linked folders lead to it."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)

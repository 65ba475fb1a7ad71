"""Pipes for the output of runs, that survive whoever reads them.

A FIFO in the runtime folder, which both sides open read-write: no SIGPIPE when the reader dies,
no EOF for the reader, and the next supervisor finds it by its name. The reader peeks by tee(2)
and consumes only what it has written. Without a folder (a read-only container as PID 1): an
anonymous pipe, with both ends kept open.

For who comes after a crash or an upgrade: `Pipe.reopen(path, scratch, kept)`, where *kept* is a
descriptor of `Pipe.reading` that outlived the supervisor, or None. What waits in the pipe of a
run that has ended is there only with such a descriptor.
"""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import stat
from pathlib import Path

import trio

SPLICE_F_NONBLOCK = 2  # splice(2)
CHUNK = 65536
LARGEST = 1 << 20
"""Bytes a pipe may grow to; also the longest line that is kept whole."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.tee.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint)
_libc.tee.restype = ctypes.c_ssize_t


class Scratch:
    """One pipe into which every peek copies: page references, not bytes. Use is synchronous."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.waste = memoryview(mmap.mmap(-1, LARGEST))
        """What is consumed is read into here: nobody needs it any more."""
        self._grown = 0
        self._allowance = _allowance()
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, LARGEST)

    def grow(self, pipe: int) -> None:
        """Give a pipe that was found full 1 MiB, while all of ours stay under the allowance.

        Beyond a user's limit every later pipe of that user would get 8 KiB (pipe(7)).
        """
        size = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
        if size >= LARGEST or self._grown + LARGEST - size > self._allowance:
            return
        with contextlib.suppress(OSError):
            self._grown += fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, LARGEST) - size

    def adopted(self, size: int) -> None:
        """A pipe of this size has come to us."""
        self._grown += max(0, size - CHUNK)

    def shrunk(self, size: int) -> None:
        """A pipe of this size is closed."""
        self._grown = max(0, self._grown - max(0, size - CHUNK))

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)


def _allowance() -> int:
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/sys/fs/pipe-user-pages-soft").read_text())
        return pages * os.sysconf("SC_PAGE_SIZE") // 4
    return 0


def _open_both_ends(path: str) -> tuple[int, int]:
    """Make the FIFO and open it for reading and for writing. Raises `OSError`; nothing is left."""
    os.mkfifo(path, 0o600)
    flags = os.O_RDWR | os.O_CLOEXEC
    reading = -1
    try:
        # A descendant that changed its user may open /dev/stdout again; nobody else can
        # reach the folder.
        os.chmod(path, 0o622)
        reading = os.open(path, flags | os.O_NONBLOCK)
        return reading, os.open(path, flags)
    except OSError:
        if reading >= 0:
            os.close(reading)
        os.unlink(path)
        raise


def _open_again(path: str | None, kept: int | None) -> int:
    """Both ends of a pipe that exists, in one descriptor. Raises `OSError`.

    *kept* is closed. Opening it anew also gives the second end of an anonymous pipe, without
    which it would read as closed when the run has ended.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK
    if kept is not None:
        try:
            reading = os.open(f"/proc/self/fd/{kept}", flags)
        finally:
            os.close(kept)
    elif path is not None:
        reading = os.open(path, flags | os.O_NOFOLLOW)
    else:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if not stat.S_ISFIFO(os.fstat(reading).st_mode):
        os.close(reading)
        raise OSError(errno.EINVAL, "not a pipe", path)
    return reading


class Pipe:
    """One stream of one run."""

    def __init__(self, path: str | None, scratch: Scratch, again: int | None = None) -> None:
        self.path = path
        self._scratch = scratch
        self._size = CHUNK
        self.reading = -1
        """What keeps all that waits in it, when we are gone and the run is too."""
        self.writing = -1
        if again is not None:
            self.reading = again
            self._size = fcntl.fcntl(again, fcntl.F_GETPIPE_SZ)
            scratch.adopted(self._size)
        elif path is None:
            self.reading, self.writing = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self.reading, False)
        else:
            self.reading, self.writing = _open_both_ends(path)

    @classmethod
    def reopen(cls, path: str | None, scratch: Scratch, kept: int | None = None) -> "Pipe":
        """The pipe of a run that is there already: *kept* where there is one, else by its name.

        *kept* is ours from now on, whatever happens. Raises `OSError` where there is no pipe.
        """
        return cls(path, scratch, _open_again(path, kept))

    def spawned(self) -> None:
        """The run has its end. An anonymous pipe keeps ours, so that it never reads as closed."""
        if self.path is not None and self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    def allow(self, uid: int) -> None:
        """Let the user of the run open its own /dev/stdout (an anonymous pipe has an owner)."""
        if self.path is None:
            os.fchown(self.writing, uid, -1)

    def peek(self) -> bytes:
        """A copy of what is waiting, at most 1 MiB; empty when nothing is. Nothing is consumed."""
        copied = _libc.tee(self.reading, self._scratch.writing, self._size, SPLICE_F_NONBLOCK)
        if copied < 0:
            code = ctypes.get_errno()
            if code in (errno.EAGAIN, errno.EINTR):
                return b""
            raise OSError(code, os.strerror(code))
        if copied >= self._size:
            self._scratch.grow(self.reading)
            self._size = fcntl.fcntl(self.reading, fcntl.F_GETPIPE_SZ)
        return os.read(self._scratch.reading, copied) if copied else b""

    def consume(self, count: int, witness: memoryview | None = None) -> None:
        """Take out the first *count* bytes of what was peeked; the last one goes to *witness*.

        It is there when, and only when, all of them are out. Fewer are taken only where fewer
        are there.
        """
        waste = self._scratch.waste
        while count > 0:
            parts = [waste[: min(count - 1, LARGEST)]]
            if count - 1 <= LARGEST:
                parts.append(waste[:1] if witness is None else witness)
            try:
                count -= os.readv(self.reading, parts)
            except BlockingIOError:
                return

    async def wait_readable(self) -> None:
        """Return when something is waiting. Cancelling consumes nothing."""
        await trio.lowlevel.wait_readable(self.reading)

    def close(self) -> None:
        """Close our ends; the name goes too. What was not consumed is lost."""
        self._scratch.shrunk(self._size)
        os.close(self.reading)
        if self.writing >= 0:
            os.close(self.writing)
        if self.path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self.path)

"""Who wrote which bytes of a log file, and when: the records of `<file>.idx`.

All are 24 bytes, little-endian. The first names the log file by its inode, and the index by a
random number, which it keeps whatever it is called later. Every other one
says who wrote from its offset until that of the next; of several with one offset the last
counts. A torn last record is ignored, so that a crash costs no more than one record.
"""

import os
import struct
from contextlib import suppress
from typing import NamedTuple

from oxtrio.model.log import Stream

RECORD = struct.Struct("<QqHB5x")
_HEADER = struct.Struct("<8sQQ")
_MAGIC = b"oxindex1"
_CODES = {Stream.STDOUT: 1, Stream.STDERR: 2}
_STREAMS = {code: stream for stream, code in _CODES.items()}
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
QUIET = 0.05
"""Seconds for which a writer that goes on writing needs no further record."""


class Writer(NamedTuple):
    """One of those who write to a log file."""

    instance: int
    stream: Stream


class Record(NamedTuple):
    """From *offset* on *writer* wrote, at wall time *at* (seconds)."""

    offset: int
    at: float
    writer: Writer


def unpack(raw: bytes) -> Record:
    """The record that *raw* is; a stream of a later version is shown as stdout."""
    offset, at, instance, stream = RECORD.unpack(raw)
    return Record(offset, at / 1e9, Writer(instance, _STREAMS.get(stream, Stream.STDOUT)))


class Index:
    """Appends to the index of one log file. Never raises: a log without index is still a log."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1
        self._end = 0
        self.identity = 0
        """What a reader knows it by; 0 where there is no index."""
        self.last: Record | None = None

    def open(self, inode: int, size: int) -> None:
        """Go on with the index of the log that has *inode* and *size*, or begin a new one."""
        self.close()
        with suppress(OSError):
            self._fd = os.open(self.path, _FLAGS, 0o640)
            of, self.identity = header_of(self._fd)
            if of != inode or not self.identity:
                self._begin(inode)
            self.cut(size)

    def cut(self, size: int) -> None:
        """Forget what is said about bytes from *size* on: the log is no longer than that."""
        self.last = None
        if self._fd < 0:
            return
        with suppress(OSError):
            low, high = 1, max(1, os.fstat(self._fd).st_size // RECORD.size)
            while low < high:
                middle = (low + high) // 2
                if self._read(middle).offset < size:
                    low = middle + 1
                else:
                    high = middle
            self._end = low * RECORD.size
            os.ftruncate(self._fd, self._end)
            if low > 1:
                self.last = self._read(low - 1)

    def note(self, writer: Writer, offset: int, at: float) -> None:
        """*writer* is about to write at *offset*."""
        last = self.last
        if (
            last is not None
            and last.writer == writer
            and (0 <= at - last.at < QUIET or last.offset == offset)
        ):
            return
        record = RECORD.pack(offset, round(at * 1e9), writer.instance, _CODES[writer.stream])
        with suppress(OSError):
            # By position: what a full disk tore is overwritten by the next record.
            if self._fd >= 0 and os.pwrite(self._fd, record, self._end) == RECORD.size:
                self._end += RECORD.size
                self.last = Record(offset, at, writer)

    def follow(self, log: int) -> None:
        """The log with the file descriptor *log* was moved away: move the index beside it."""
        self.close()
        with suppress(OSError):
            name = os.readlink(f"/proc/self/fd/{log}")
            if os.path.exists(name):  # a deleted file has a name that does not exist
                os.rename(self.path, index_name(name))

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self.identity, self.last = -1, 0, None

    def _begin(self, inode: int) -> None:
        # A new file, not an emptied one: somebody may be reading the old one.
        self.close()
        os.unlink(self.path)
        self._fd = os.open(self.path, _FLAGS | os.O_EXCL, 0o640)
        identity = int.from_bytes(os.urandom(8), "little") | 1
        os.pwrite(self._fd, _HEADER.pack(_MAGIC, inode, identity), 0)
        self.identity = identity

    def _read(self, number: int) -> Record:
        return unpack(os.pread(self._fd, RECORD.size, number * RECORD.size))


def index_name(path: str) -> str:
    return f"{path}.idx"


def header_of(fd: int) -> tuple[int, int]:
    """The inode of the log and the identity of the index; (0, 0) where it has no header."""
    raw = os.pread(fd, _HEADER.size, 0)
    if len(raw) < _HEADER.size or not raw.startswith(_MAGIC):
        return 0, 0
    _, inode, identity = _HEADER.unpack(raw)
    return inode, identity


def identity_of(path: str) -> int:
    """What a log is known by under any name: the identity of its index *path*, 0 without one."""
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return header_of(fd)[1]
        finally:
            os.close(fd)
    return 0

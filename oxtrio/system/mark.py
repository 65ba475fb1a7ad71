"""Where the reader of a pipe stood, in a page that outlives it.

What is on its way from a pipe to a log passes three points: it begins to be written, it is
written, it is out of the pipe. Killed between any two of them, the reader leaves a page that
tells the next one which was the last:

- A *move* (what goes where, and what is left over) is described in one of two slots, and counts
  from the instant at which one byte names that slot. The other slot, and the partial line that
  belongs to it, are what was true before, whole until then.
- How much of a write that was cut short has reached the log, the log itself tells: inode and
  offset are in the slot (`settle`).
- Whether it is out of the pipe tells the *witness*: a byte of the page that is made to differ
  from the last byte of the chunk, and that `Pipe.consume` reads this last byte into. The kernel
  takes bytes out of a pipe and copies them in one step, as far as a SIGKILL is concerned.

So no content is ever compared, and lines may all be the same. A mapped file is enough: it is
the process that dies, not the machine.
"""

import errno
import mmap
import os
import struct
from contextlib import suppress
from enum import IntEnum
from typing import NamedTuple

_MAGIC = b"oxmark2\0"
_SLOT = struct.Struct("<6Qd?QBB")  # a move, bytes of the partial line, last byte, witness
_SLOTS = (64, 192)
_LEFT, _AT = 40, 48  # in a slot
_LAST, _WITNESS = _SLOT.size - 2, _SLOT.size - 1
_NAME = struct.Struct("<H")
_LOG = 512
HEADER = 4096
"""Bytes before the two partial lines."""


class Phase(IntEnum):
    """The last point that was passed."""

    IDLE = 0
    WRITING = 1
    WRITTEN = 2


class Move(NamedTuple):
    """One chunk on its way from the pipe to the log."""

    inode: int
    """Where it begins in the log, with *offset*; 0 where that is no regular file."""
    offset: int
    skip: int
    """Bytes of what it becomes that were in the log already."""
    written: int
    """Bytes that come to stand in the log."""
    consumed: int
    """Bytes that it is in the pipe."""
    left: int
    """Bytes that are to be skipped of what comes next."""
    at: float
    """Wall time of the write; what a date before a line is made of."""
    inside: bool
    """After it the log ends inside a line of this stream."""


_NOTHING = Move(0, 0, 0, 0, 0, 0, 0.0, False)


class Mark:
    """The mark of one stream; without a path it is kept in memory only."""

    def __init__(self, path: str | None, carry: int) -> None:
        """A new one. Raises `OSError`, also where the disk has no room for a page."""
        self._path = path
        self._carry = carry
        size = HEADER + 2 * carry
        if path is None:
            self._map(mmap.mmap(-1, size), backed=carry)
        else:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            try:
                os.ftruncate(descriptor, size)  # sparse: the rest when a partial line needs it
                # Or a full disk would end the supervisor, by SIGBUS.
                os.posix_fallocate(descriptor, 0, HEADER)
                self._map(mmap.mmap(descriptor, size), backed=0)
            except OSError:
                os.unlink(path)
                raise
            finally:
                os.close(descriptor)
        self._page[8 : 8 + len(_MAGIC)] = _MAGIC

    @classmethod
    def reopen(cls, path: str, carry: int) -> "Mark":
        """The one that an earlier reader left. Raises `OSError`, also where it is no mark."""
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            return cls._of(descriptor, path, carry, backed=0)
        finally:
            os.close(descriptor)

    @classmethod
    def restore(cls, copy: int, carry: int) -> "Mark":
        """A mark in memory only, which goes on where *copy* (see there) was made; that is closed.

        Raises `OSError`.
        """
        try:
            return cls._of(copy, None, carry, backed=carry)
        finally:
            os.close(copy)

    def copy(self) -> int:
        """A descriptor of a file in memory that is as this mark is now. Raises `OSError`."""
        descriptor = os.memfd_create("oxtrio-mark", os.MFD_CLOEXEC)
        try:
            os.ftruncate(descriptor, len(self._page))
            os.pwrite(descriptor, self._page[:HEADER], 0)
            start = HEADER + self._slot * self._carry
            os.pwrite(descriptor, self.carry, start)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    @classmethod
    def _of(cls, descriptor: int, path: str | None, carry: int, *, backed: int) -> "Mark":
        mark = cls.__new__(cls)
        mark._path, mark._carry = path, carry
        size = os.fstat(descriptor).st_size
        begins = os.pread(descriptor, HEADER, 0)
        if size != HEADER + 2 * carry or begins[8 : 8 + len(_MAGIC)] != _MAGIC:
            raise OSError(errno.EINVAL, "not a mark", path)
        mark._map(mmap.mmap(descriptor, size), backed=backed)
        return mark

    def _map(self, page: mmap.mmap, *, backed: int) -> None:
        self._page = page
        self._view = memoryview(page)
        self._slot = page[0] & 1
        self._backed = backed

    # What a reader says.

    def begin(self, move: Move, partial: bytes = b"", last: int = 0) -> None:
        """*move* begins; after it *partial* is the partial line. *last*: its last byte."""
        slot = 1 - self._slot
        kept = self._keep(slot, partial) if partial else 0
        _SLOT.pack_into(self._page, _SLOTS[slot], *move, kept, last, last ^ 255)
        self._pass(Phase.WRITING, slot)

    def withdraw(self) -> None:
        """Nothing of it could be written: what was true before is true again."""
        self._pass(Phase.IDLE, 1 - self._slot)

    def written(self) -> None:
        """It is in the log."""
        self._pass(Phase.WRITTEN, self._slot)

    @property
    def witness(self) -> memoryview:
        """Where the last byte of the chunk is to be read into."""
        at = _SLOTS[self._slot] + _WITNESS
        return self._view[at : at + 1]

    def clear(self) -> None:
        """It is out of the pipe."""
        self._pass(Phase.IDLE, self._slot)

    def _pass(self, phase: Phase, slot: int) -> None:
        # One byte: it is there or it is not.
        self._page[0] = phase << 1 | slot
        self._slot = slot

    # What the next reader finds.

    @property
    def phase(self) -> Phase:
        return Phase(min(self._page[0] >> 1, Phase.WRITTEN))

    @property
    def move(self) -> Move:
        """The last one that began and was not withdrawn."""
        return Move(*_SLOT.unpack_from(self._page, _SLOTS[self._slot])[: len(_NOTHING)])

    @property
    def is_consumed(self) -> bool:
        """Whether the chunk is out of the pipe."""
        slot = _SLOTS[self._slot]
        nothing = not self.move.consumed
        return nothing or self._page[slot + _WITNESS] == self._page[slot + _LAST]

    @property
    def carry(self) -> bytes:
        """The partial last line: out of the pipe, not in the log."""
        slot = 1 - self._slot if self.phase is Phase.WRITING else self._slot
        kept = min(_SLOT.unpack_from(self._page, _SLOTS[slot])[-3], self._carry)
        start = HEADER + slot * self._carry
        return self._page[start : start + kept]

    def settle(self, found: int) -> None:
        """The write was cut short, and the log has *found* bytes of it: they will be skipped."""
        move, before = self.move, 1 - self._slot
        found = min(found, move.written)
        struct.pack_into("<Q", self._page, _SLOTS[before] + _LEFT, move.skip + found)
        struct.pack_into("<d", self._page, _SLOTS[before] + _AT, move.at)
        self._pass(Phase.IDLE, before)

    @property
    def log(self) -> str:
        """The path of the log that the offsets are about, or ""."""
        (size,) = _NAME.unpack_from(self._page, _LOG)
        start = _LOG + _NAME.size
        return os.fsdecode(self._page[start : min(start + size, HEADER)])

    @log.setter
    def log(self, path: str) -> None:
        name = os.fsencode(path)
        start = _LOG + _NAME.size
        if start + len(name) <= HEADER:
            self._page[start : start + len(name)] = name
            _NAME.pack_into(self._page, _LOG, len(name))

    def _keep(self, slot: int, partial: bytes) -> int:
        """Store the partial line of *slot*; how much of it is stored: all or nothing."""
        size = len(partial)
        if size > self._backed:
            self._back(size)
        if size > self._backed:
            return 0  # a full disk costs the line if we die too, and nothing otherwise
        start = HEADER + slot * self._carry
        self._page[start : start + size] = partial
        return size

    def _back(self, size: int) -> None:
        """Have room on the disk for partial lines of *size*, as far as there is any."""
        size = min(self._carry, max(2 * size, 16384))
        if self._path is None or size < 1:
            return
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                for slot in range(len(_SLOTS)):
                    os.posix_fallocate(descriptor, HEADER + slot * self._carry, size)
                self._backed = size
            finally:
                os.close(descriptor)

    def close(self) -> None:
        self._view.release()
        self._page.close()

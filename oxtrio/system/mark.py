"""Where the reader of a pipe stood, in a page that outlives it.

Before a chunk is written to its log, the mark says where it goes and how much of the pipe it
stands for; after it is consumed, the mark is cleared. A reader that finds a mark set compares
the log with the pipe and so knows whether the chunk was written, consumed, or neither. The
page also holds the partial last line, which has left the pipe but not yet reached the log.
A mapped file is enough: it is the process that dies, not the machine.
"""

import mmap
import os
import struct

_FIELDS = struct.Struct("<QQQQQ")  # set, inode, offset, bytes for the log, bytes of the pipe
_CARRY = struct.Struct("<Q")
HEADER = 64


class Mark:
    """The mark of one stream; without a path it is kept in memory only."""

    def __init__(self, path: str | None, carry: int) -> None:
        size = HEADER + carry
        if path is None:
            self._page: mmap.mmap = mmap.mmap(-1, size)
            return
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size)  # sparse: pages appear when a partial line needs them
            self._page = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)

    def set(self, place: tuple[int, int], written: int, consumed: int) -> None:
        """A chunk is about to be written at *place* (inode, offset)."""
        # The flag is written last: a mark that is half there must not count.
        _FIELDS.pack_into(self._page, 0, 0, *place, written, consumed)
        self._page[0] = 1

    def clear(self) -> None:
        """The chunk is written and consumed."""
        self._page[0] = 0

    @property
    def carry(self) -> bytes:
        """The partial last line."""
        (size,) = _CARRY.unpack_from(self._page, _FIELDS.size)
        return self._page[HEADER : HEADER + size] if size else b""

    def keep(self, partial: bytes) -> None:
        """Replace the partial last line."""
        self._page[HEADER : HEADER + len(partial)] = partial
        _CARRY.pack_into(self._page, _FIELDS.size, len(partial))
        if self._page[0]:
            self._page[0] = 2  # from here on the partial line is the new one

    def close(self) -> None:
        self._page.close()

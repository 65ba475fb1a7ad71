"""One file of a track, open for reading: its lines, from either end, and who wrote them."""

import errno
import gzip
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from oxtrio.errors import OxtrioError
from oxtrio.logs.backlog import LINE_MAX
from oxtrio.logs.index import Record, Writer
from oxtrio.logs.records import Records

_BLOCK = 256 * 1024


class Placed(NamedTuple):
    """A line, where it stands, and what the index says of it."""

    offset: int
    said: Record
    data: bytes


class Part:
    """An open log file and its index. Renaming or deleting them changes nothing here.

    *end*: how much of it counts; None: all that is there now. Of what has no index *writer* is
    said to have written it.
    """

    def __init__(self, data: int, index: int, writer: Writer, end: int | None) -> None:
        found = os.fstat(data)
        self._data = data
        self._index = index
        self.written_at = found.st_mtime
        size = found.st_size if end is None else min(end, found.st_size)
        self._records = Records(index, size, Record(0, found.st_mtime, writer))

    def bounds(self, since: float | None, until: float | None) -> tuple[int, int]:
        """The bytes that were written between."""
        return self._records.bounds(since, until)

    def forward(self, start: int, end: int) -> Iterator[Placed]:
        """The lines between, the first one first; *start* is where a line begins."""
        records = self._records.forward()
        said = next(records)
        after = next(records, None)
        for offset, line in self._lines(start, end):
            while after is not None and after.offset <= offset:
                said, after = after, next(records, None)
            yield Placed(offset, said, line)

    def backward(self, start: int, end: int) -> Iterator[Placed]:
        """The same lines, the last one first."""
        records = self._records.backward()
        said = next(records)
        for offset, line in self._lines_backward(start, end):
            while said.offset > offset:
                said = next(records)
            yield Placed(offset, said, line)

    def close(self) -> None:
        os.close(self._data)
        if self._index >= 0:
            os.close(self._index)

    def _lines(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        held = b""
        position = offset = start
        while position < end and (block := self._read(position, end)):
            position += len(block)
            *whole, held = (held + block).split(b"\n")
            for line in whole:
                yield offset, line
                offset += len(line) + 1
            while len(held) >= LINE_MAX:
                yield offset, held[:LINE_MAX]
                offset, held = offset + LINE_MAX, held[LINE_MAX:]
        if held:
            yield offset, held

    def _lines_backward(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        held = b""
        position = end
        while position > start:
            before = max(start, position - _BLOCK)
            block = self._read(before, position) + held
            offset = before + len(block)
            held, *whole = block.split(b"\n")
            for line in reversed(whole):
                offset -= len(line)
                if line or offset < end:
                    yield offset, line
                offset -= 1
            while len(held) >= LINE_MAX:
                yield before + len(held) - LINE_MAX, held[-LINE_MAX:]
                held = held[:-LINE_MAX]
            position = before
        if start < end:
            yield start, held

    def _read(self, start: int, end: int) -> bytes:
        return os.pread(self._data, min(_BLOCK, end - start), start)


def open_part(name: str, index_name: str, writer: Writer, end: int | None) -> Part:
    """Open the log *name*. Raises OSError; one that is not a regular file is not opened."""
    data = _open(name)
    try:
        if not stat.S_ISREG(os.fstat(data).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        index = -1
        with suppress(OSError):
            index = _open(index_name)
        return Part(data, index, writer, end)
    except BaseException:
        os.close(data)
        raise


def unpacked(name: str) -> int:
    """A descriptor of what the gzip file *name* holds. Raises OSError where it is gone.

    It is unpacked to an unnamed temporary file: a compressed file can only be read from its
    beginning. What is damaged is read as far as possible.
    """
    raise NotImplementedError


def _open(name: str) -> int:
    return os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)

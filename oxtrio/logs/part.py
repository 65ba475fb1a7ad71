"""One file of a track, open for reading: its lines, from either end, and who wrote them."""

import errno
import os
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, NamedTuple

from oxtrio.errors import OxtrioError
from oxtrio.logs.backlog import LINE_MAX
from oxtrio.logs.index import Record, Writer
from oxtrio.logs.records import Records
from oxtrio.logs.rotation import PACKED

_BLOCK = 256 * 1024
_GZIP = 16 + zlib.MAX_WBITS


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

    def __init__(
        self, opened: "Opened", writer: Writer, end: int | None, written_at: float
    ) -> None:
        size = os.fstat(opened.log).st_size
        size = size if end is None else min(end, size)
        self._opened = opened
        self._records = Records(opened.records, size, Record(0, written_at, writer))

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
        close_files(self._opened)

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
            while len(held) > LINE_MAX:
                yield before + len(held) - LINE_MAX, held[-LINE_MAX:]
                held = held[:-LINE_MAX]
            position = before
        if start < end:
            yield start, held

    def _read(self, start: int, end: int) -> bytes:
        return os.pread(self._opened.log, min(_BLOCK, end - start), start)


class Opened(NamedTuple):
    """The descriptors of a log file and of its index (-1: it has none)."""

    log: int
    records: int
    packed: bool


def open_files(name: str, index_name: str) -> Opened:
    """Open the log *name*. Raises OSError, also where it is not a regular file."""
    data = _open(name)
    if not stat.S_ISREG(os.fstat(data).st_mode):
        os.close(data)
        raise OSError(errno.EINVAL, "not a regular file", name)
    index = -1
    with suppress(OSError):
        index = _open(index_name)
    return Opened(data, index, name.endswith(PACKED))


def close_files(opened: Opened) -> None:
    """The opposite of `open_files`."""
    for fd in (opened.log, opened.records):
        if fd >= 0:
            os.close(fd)


def part_of(opened: Opened, writer: Writer, end: int | None) -> Part:
    """A part that owns the descriptors of *opened*; what is packed is unpacked."""
    if not opened.packed:
        return Part(opened, writer, end, os.fstat(opened.log).st_mtime)
    try:
        plain = _unpacked(opened.log)
    except OSError as error:
        close_files(opened)
        raise OxtrioError(
            f"cannot unpack an old log: {error.strerror or error}",
            hint="--since leaves old logs out; TMPDIR names a folder with more room",
        ) from None
    written_at = os.fstat(opened.log).st_mtime
    os.close(opened.log)
    return Part(Opened(plain, opened.records, False), writer, end, written_at)


def _unpacked(packed: int) -> int:
    """What a gzip file holds, in an unnamed file: packed, it could only be read forward."""
    with tempfile.TemporaryFile() as plain:
        # A damaged end is not worth more than all that stands before it.
        with suppress(zlib.error):
            _unpack(packed, plain)
        plain.flush()
        return os.dup(plain.fileno())


def _unpack(packed: int, plain: IO[bytes]) -> None:
    unzip = zlib.decompressobj(_GZIP)
    while block := os.read(packed, _BLOCK):
        while block:
            plain.write(unzip.decompress(block, _BLOCK))
            block = unzip.unconsumed_tail
            if unzip.eof:  # another may follow: gzip files may be put together
                block, unzip = unzip.unused_data, zlib.decompressobj(_GZIP)


def _open(name: str) -> int:
    return os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)

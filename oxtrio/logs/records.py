"""Reading the index of a log: who wrote a line, and which part of a file is of a certain time."""

import os
from collections.abc import Iterator
from itertools import chain, pairwise

from oxtrio.logs.index import RECORD, Record, unpack

_BLOCK = 4096
"""Records that are in memory at a time."""


class Records:
    """The records of one index, up to *size*, the end of its log.

    *unknown* is what is said of bytes that have no record; where a record follows, they have
    its time.
    """

    def __init__(self, index: int, size: int, unknown: Record) -> None:
        self._index = index
        self._size = size
        self._unknown = unknown
        self._count = max(0, os.fstat(index).st_size // RECORD.size - 1) if index >= 0 else 0

    def forward(self) -> Iterator[Record]:
        """From the first byte on."""
        blocks = range(0, self._count, _BLOCK)
        records = (record for start in blocks for record in self._block(start))
        first = next(records, None)
        if first is None:
            yield self._unknown
            return
        yield self._unknown._replace(at=first.at)
        yield first
        yield from records

    def backward(self) -> Iterator[Record]:
        """From the last byte on."""
        first = self._unknown
        for start in range((self._count - 1) // _BLOCK * _BLOCK, -1, -_BLOCK):
            for record in reversed(self._block(start)):
                yield (first := record)
        yield self._unknown._replace(at=first.at)

    def bounds(self, since: float | None, until: float | None) -> tuple[int, int]:
        """Where the first byte that was written between stands, and where the last one ends."""
        if since is None and until is None:
            return 0, self._size
        start, end = self._size, 0
        fence = self._unknown._replace(offset=self._size)
        for record, after in pairwise(chain(self.forward(), (fence,))):
            if (since is None or record.at >= since) and (until is None or record.at <= until):
                start, end = min(start, record.offset), max(end, after.offset)
        return start, max(start, end)

    def _block(self, start: int) -> list[Record]:
        """The records from number *start* on; the first of the file is its header."""
        count = min(_BLOCK, self._count - start)
        raw = os.pread(self._index, count * RECORD.size, (start + 1) * RECORD.size)
        whole = len(raw) // RECORD.size * RECORD.size
        records = [unpack(raw[at : at + RECORD.size]) for at in range(0, whole, RECORD.size)]
        return [record for record in records if record.offset <= self._size]

"""Reading one track: its files, oldest or newest first, while they are rotated and packed."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from oxtrio.logs.index import Writer, identity_of, index_name
from oxtrio.logs.part import Opened, Part, Placed, close_files, open_files, part_of
from oxtrio.logs.rotation import rotated
from oxtrio.logs.sieve import Sieve
from oxtrio.logs.tracks import Track
from oxtrio.model.log import LogLine, Stream

_ATTEMPTS = 2000
_PAUSE = 0.0005


class _Known(NamedTuple):
    """One file of a track under the name that it has now."""

    identity: int
    """That of its index, which moves with it; without one its inode."""
    log: str
    records: str


class Files:
    """The files of a track, newest first: 0 is the one that is, or was, written to."""

    def __init__(self, track: Track) -> None:
        self._track = track
        known = [file.identity for file in self._steady()]
        if track.identity:
            # What was begun after the track was taken does not belong to it.
            known = known[known.index(track.identity) :] if track.identity in known else []
        self._known = known

    def __len__(self) -> int:
        return len(self._known)

    def open(self, number: int) -> Opened | None:
        """Open one of them, wherever it has moved to; None where it has been removed."""
        for _ in range(_ATTEMPTS):
            stamp = self._track.moves.stamp
            opened = self._try_open(self._known[number])
            if stamp % 2 == 0 and self._track.moves.stamp == stamp:
                return opened
            if opened is not None:
                close_files(opened)
            time.sleep(_PAUSE)
        return None

    def _try_open(self, identity: int) -> Opened | None:
        with suppress(OSError):
            for file in _files_of(self._track.path):
                if file.identity == identity:
                    return open_files(file.log, file.records)
        return None

    def _steady(self) -> list[_Known]:
        """All files, as they are called between two rotations."""
        files: list[_Known] = []
        for _ in range(_ATTEMPTS):
            stamp = self._track.moves.stamp
            files = _files_of(self._track.path)
            if stamp % 2 == 0 and self._track.moves.stamp == stamp:
                break
            time.sleep(_PAUSE)
        return files


class TrackReader:
    """The lines of one track that *sieve* lets through. Close it in the end."""

    def __init__(self, app: str, track: Track, sieve: Sieve) -> None:
        self._app = app
        self._track = track
        self._sieve = sieve
        self._writer = Writer(track.route.instance or 0, track.route.stream or Stream.STDOUT)
        self._files = Files(track)
        self._parts: dict[int, Part] = {}
        self._first: tuple[int, int] | None = (len(self._files) - 1, 0)

    def begin(self, place: tuple[int, int] | None) -> None:
        """`forward` begins at *place* of a step; None: there is nothing to come."""
        self._first = place

    def forward(self) -> Iterator[LogLine]:
        """The lines that match, in the order in which they were written."""
        if self._first is None:
            return
        first, offset = self._first
        for number in range(first, -1, -1):
            if (part := self._part(number)) is None:
                continue
            start, end = part.bounds(self._sieve.since, self._sieve.until)
            for placed in part.forward(max(start, offset) if number == first else start, end):
                line = self._line(placed)
                if self._sieve.passes(line):
                    yield line
            self._parts.pop(number).close()

    def backward(self) -> Iterator["Step"]:
        """Where the lines begin that match, the last one first."""
        for number in range(len(self._files)):
            if (part := self._part(number)) is None:
                continue
            start, end = part.bounds(self._sieve.since, self._sieve.until)
            for placed in part.backward(start, end):
                if lines := self._sieve.passes_backward(self._line(placed)):
                    yield Step(placed.said.at, lines, self, (number, placed.offset))

    def close(self) -> None:
        while self._parts:
            self._parts.popitem()[1].close()

    def _line(self, placed: Placed) -> LogLine:
        return LogLine(placed.said.at, self._app, *placed.said.writer, placed.data)

    def _part(self, number: int) -> Part | None:
        """One file; None where it is gone, or all in it is older than what is asked for."""
        if number not in self._parts:
            opened = self._files.open(number)
            if opened is None or self._is_too_old(opened):
                return None
            end = self._track.end if number == 0 else None
            self._parts[number] = part_of(opened, self._writer, end)
        return self._parts[number]

    def _is_too_old(self, opened: Opened) -> bool:
        since = self._sieve.since
        if since is None or os.fstat(opened.log).st_mtime >= since:
            return False
        close_files(opened)
        return True


class RecentReader:
    """The lines that are in no file, in the manner of a `TrackReader`."""

    def __init__(self, lines: tuple[LogLine, ...], sieve: Sieve) -> None:
        self._lines = lines
        self._sieve = sieve
        self._first: int | None = 0

    def begin(self, place: tuple[int, int] | None) -> None:
        self._first = None if place is None else place[1]

    def forward(self) -> Iterator[LogLine]:
        if self._first is not None:
            yield from filter(self._sieve.passes, self._lines[self._first :])

    def backward(self) -> Iterator["Step"]:
        for number in range(len(self._lines) - 1, -1, -1):
            line = self._lines[number]
            if lines := self._sieve.passes_backward(line):
                yield Step(line.at, lines, self, (0, number))

    def close(self) -> None:
        pass


class Step(NamedTuple):
    """Going backward: so many lines that match begin at this place of *reader*."""

    at: float
    lines: int
    reader: TrackReader | RecentReader
    place: tuple[int, int]


def _files_of(path: str) -> list[_Known]:
    files = []
    names = [(path, path), *((name, f"{path}.{n}") for n, name in sorted(rotated(path).items()))]
    for name, plain in names:
        index = index_name(plain)
        with suppress(OSError):
            files.append(_Known(identity_of(index) or os.stat(name).st_ino, name, index))
    return files

"""What can be read of the output of an app: its files, and what is in no file yet."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from oxtrio.logs.file import LogFile
from oxtrio.logs.hub import Ring
from oxtrio.logs.lines import LineAssembler
from oxtrio.logs.paths import Route
from oxtrio.logs.rotation import Moves
from oxtrio.model.log import Chunk, LogLine


@dataclass(frozen=True, slots=True)
class Track:
    """One log file with its rotated predecessors, up to a certain byte."""

    path: str
    route: Route
    moves: Moves = field(default_factory=Moves)
    identity: int = 0
    """What the file was when the track was taken (`Volume.extent`); 0: not known."""
    end: int | None = None
    """How much of it belongs to the track; None: all that is there."""


@dataclass(frozen=True, slots=True)
class LogOf:
    """The output of one app up to one moment, whatever is written or rotated afterwards."""

    app: str
    tracks: tuple[Track, ...] = ()
    recent: tuple[LogLine, ...] = ()
    """What is in none of the files, oldest first."""
    instances: frozenset[int] | None = None
    """Those that are asked for; None: all."""


class Snapshot:
    """Takes the output of one app at this moment. Nothing here waits."""

    def __init__(self, app: str, ring: Ring | None) -> None:
        self._app = app
        self._ring = ring.chunks() if ring else ()
        self._tracks: list[Track] = []
        self._lines: list[LogLine] = []
        self.unfinished: list[LogLine] = []
        """Lines that have begun, as far as they have come."""

    def add(self, route: Route, path: str, file: LogFile | None) -> None:
        """Take what *route* leads to; *file* where somebody writes to it."""
        if file is None:
            self._tracks.append(Track(path, route))
            return
        identity, end = file.volume.extent()
        if not identity:
            self.add_recent(route)
            return
        begun = file.volume.unfinished()
        chunks = [
            Chunk(at, self._app, *writer, data) for writer, data, at in file.backlog.waiting()
        ]
        if begun is not None:
            writer, data, at = begun
            end -= len(data)
            chunks.insert(0, Chunk(at, self._app, *writer, data))
        self._tracks.append(Track(path, route, file.volume.moves, identity, end))
        self._add(chunks)

    def add_recent(self, route: Route) -> None:
        """Take the last output for which there is no file."""
        self._add(
            chunk
            for chunk in self._ring
            if route.instance in (None, chunk.instance) and route.stream in (None, chunk.stream)
        )

    def taken(self, instances: frozenset[int] | None, *, with_unfinished: bool) -> LogOf:
        """All that was taken; lines that have begun belong to it or are left to the caller."""
        lines = [*self._lines, *(self.unfinished if with_unfinished else ())]
        lines.sort(key=lambda line: line.at)
        return LogOf(self._app, tuple(self._tracks), tuple(lines), instances)

    def _add(self, chunks: Iterable[Chunk]) -> None:
        assembler = LineAssembler()
        for chunk in chunks:
            self._lines += assembler.add(chunk)
        self.unfinished += assembler.flush()

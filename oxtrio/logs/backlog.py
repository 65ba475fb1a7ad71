"""Output that waits in memory until its file has room again."""

from collections import deque
from typing import NamedTuple

from oxtrio.logs.index import Writer

ROOM = 8 * 1024 * 1024
"""Bytes that may wait per app."""
LINE_MAX = 1024 * 1024
"""Bytes up to which a line stays whole."""


class Room:
    """How many bytes of one app may still wait; its files share it."""

    def __init__(self, free: int = ROOM) -> None:
        self.free = free


class Waiting(NamedTuple):
    writer: Writer
    data: bytes
    at: float


class Backlog:
    """What waits for one file, in order; where there is no room, whole lines are dropped."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.dropped = 0
        """Lines, since there was room the last time."""
        self.torn: set[Writer] = set()
        """Writers of whom the last that was dropped ended inside a line."""
        self._items: deque[Waiting] = deque()
        self._last_dropped: Waiting | None = None

    def __bool__(self) -> bool:
        return bool(self._items) or self._last_dropped is not None

    def add(self, waiting: Waiting, *, inside_line: bool) -> None:
        """Keep the whole lines of *waiting* for which there is room, count the others.

        *inside_line*: the writer's last line in the file is not complete. A line of which the
        beginning is kept or written is finished, room or not.
        """
        writer, data, at = waiting
        keep = 0 if self._last_dropped else self._cut(waiting, inside_line)
        if keep:
            self.keep(Waiting(writer, data[:keep], at))
        if keep < len(data):
            self._drop(Waiting(writer, data[keep:], at))

    def keep(self, waiting: Waiting) -> None:
        """Keep *waiting* whatever room there is: the rest of a write that has begun."""
        self._items.append(waiting)
        self.room.free -= len(waiting.data)

    def after_gap(self, writer: Writer, data: bytes) -> bytes:
        """*data* without the end of a line whose beginning was dropped."""
        if writer not in self.torn:
            return data
        cut = data.find(b"\n") + 1
        if not cut:
            return b""
        self.torn.discard(writer)
        return data[cut:]

    def first(self) -> Waiting:
        """What is to be written next; at last the line that tells what was dropped."""
        if self._items:
            return self._items[0]
        assert self._last_dropped is not None  # noqa: S101 - asked only while something waits
        writer, _, at = self._last_dropped
        return Waiting(writer, f"[oxtrio] dropped {self.dropped} lines (disk full)\n".encode(), at)

    def wrote(self, rest: bytes) -> None:
        """The first was written, but for *rest*."""
        if not self._items:
            if not rest:
                self._last_dropped, self.dropped = None, 0
            return
        writer, data, at = self._items.popleft()
        self.room.free += len(data) - len(rest)
        if rest:
            self._items.appendleft(Waiting(writer, rest, at))

    def end_line(self, writer: Writer, at: float) -> None:
        """Nobody will finish a line that *writer* has begun here."""
        self.torn.discard(writer)
        if self._inside_line(writer, False):
            self.keep(Waiting(writer, b"\n", at))

    def has(self, writer: Writer) -> bool:
        """Whether something of *writer* is kept."""
        return any(item.writer == writer for item in self._items)

    def waiting(self) -> tuple[Waiting, ...]:
        """What is kept, oldest first."""
        return tuple(self._items)

    def clear(self) -> None:
        """Forget everything: the file is closed for good."""
        self.room.free += sum(len(item.data) for item in self._items)
        self._items.clear()
        self._last_dropped, self.dropped = None, 0

    def _cut(self, waiting: Waiting, inside_line: bool) -> int:
        data = waiting.data
        if len(data) <= self.room.free:
            return len(data)
        cut = data.rfind(b"\n", 0, max(0, self.room.free)) + 1
        if not cut and self._inside_line(waiting.writer, inside_line):
            cut = data.find(b"\n", 0, LINE_MAX) + 1
        return cut

    def _inside_line(self, writer: Writer, in_file: bool) -> bool:
        kept = (item.data for item in reversed(self._items) if item.writer == writer)
        last = next(kept, None)
        return in_file if last is None else not last.endswith(b"\n")

    def _drop(self, waiting: Waiting) -> None:
        writer, data, _ = waiting
        known = writer in self.torn  # the line that goes on here is counted already
        ends = data.endswith(b"\n")
        self.dropped += data.count(b"\n") + (not ends) - known
        (self.torn.discard if ends else self.torn.add)(writer)
        self._last_dropped = waiting._replace(data=b"")

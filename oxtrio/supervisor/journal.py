"""What happened: numbered events, kept in memory and in a file, told to whoever follows."""

import json
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Generic, TypeVar

import trio

from oxtrio.model.status import Event

T = TypeVar("T")

KEPT = 2000
"""Events that are kept in memory."""
LARGEST_FILE = 4 * 1024 * 1024
"""Bytes after which `events.ndjson` becomes `events.ndjson.1`."""


def rfc3339(wall: float) -> str:
    """A wall time with the local offset, to the millisecond."""
    return datetime.fromtimestamp(wall).astimezone().isoformat(timespec="milliseconds")


class Broadcast(Generic[T]):
    """One writer, many readers; no reader can slow the writer down."""

    def __init__(self) -> None:
        self._readers: set[trio.MemorySendChannel[T]] = set()

    def publish(self, item: T) -> None:
        """Hand *item* to every reader; hang up on those that have fallen behind."""
        for reader in list(self._readers):
            try:
                reader.send_nowait(item)
            except trio.WouldBlock:
                self._readers.discard(reader)
                reader.close()
            except trio.BrokenResourceError:
                self._readers.discard(reader)

    @contextmanager
    def subscribe(
        self, *, first: tuple[T, ...] = (), backlog: float = 1024
    ) -> Iterator[trio.MemoryReceiveChannel[T]]:
        """A channel of *first* and all that is published inside; it ends when it overflows."""
        send, receive = trio.open_memory_channel[T](math.inf if first else backlog)
        for item in first:
            send.send_nowait(item)
        self._readers.add(send)
        try:
            with send, receive:
                yield receive
        finally:
            self._readers.discard(send)


class Journal:
    """The events of one supervisor."""

    def __init__(self, path: str | None, clock: Callable[[], float]) -> None:
        self.broadcast: Broadcast[Event] = Broadcast()
        self._path = path
        self._clock = clock
        self._recent: deque[Event] = deque(maxlen=KEPT)
        self._seq = 0
        self._file: int | None = None
        self._resume()

    def record(
        self, name: str, kind: str, state: str = "", reason: str = "", pid: int | None = None
    ) -> None:
        """Something happened to *name* ("" for the supervisor itself)."""
        self._seq += 1
        event = Event(
            seq=self._seq,
            at=rfc3339(self._clock()),
            name=name,
            kind=kind,
            state=state,
            reason=reason,
            pid=pid,
        )
        self._recent.append(event)
        self._write(event)
        self.broadcast.publish(event)

    def history(
        self, *, since_seq: int | None = None, last: int | None = None
    ) -> tuple[Event, ...]:
        """What is remembered, oldest first."""
        events = [event for event in self._recent if since_seq is None or event.seq > since_seq]
        return tuple(events[-last:] if last is not None else events)

    def resume(self, events: Iterable[Event]) -> None:
        """What the program before us remembers, where there is no file."""
        if self._path is None:
            self._recent.extend(events)
            self._seq = self._recent[-1].seq if self._recent else 0

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _resume(self) -> None:
        """Go on where an earlier supervisor of the project ended; a torn line is passed over."""
        if self._path is None:
            return
        for path in (f"{self._path}.1", self._path):  # it may have been rotated a moment ago
            for line in _last_lines(path):
                event = _event(line)
                if event is not None:
                    self._recent.append(event)
        self._seq = self._recent[-1].seq if self._recent else 0

    def _write(self, event: Event) -> None:
        # A full disk must not stop a supervisor: the file is for later, memory is for now.
        if self._path is None:
            return
        fields = {name: getattr(event, name) for name in Event.__slots__}
        text = json.dumps(fields, ensure_ascii=False)
        line = text.encode(errors="backslashreplace") + b"\n"  # names of files may be no text
        try:
            if self._file is None:
                self._file = _open_at_line_end(self._path)
            if os.write(self._file, line) < len(line):
                self.close()  # torn: the next one begins a new line
                return
            if os.fstat(self._file).st_size > LARGEST_FILE:
                os.replace(self._path, f"{self._path}.1")
                self.close()
        except OSError:
            self.close()


def _last_lines(path: str) -> list[bytes]:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 512 * 1024))
            return file.read().splitlines()
    except OSError:
        return []


def _event(line: bytes) -> Event | None:
    try:
        event = Event(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    return event if isinstance(event.seq, int) else None


def _open_at_line_end(path: str) -> int:
    """Open the file for appending; a torn last line is ended. Raises `OSError`."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(path, flags, 0o600)
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")
    return file

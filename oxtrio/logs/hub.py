"""Live output: whoever follows is told at once, and nobody who follows is waited for."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

import trio

from oxtrio.model.log import Chunk, Skipped, Stream

BACKLOG = 1024 * 1024
"""Bytes that may wait for one follower before it is cut off."""
RECENT_BYTES = 64 * 1024
RECENT_CHUNKS = 512


class Follower(Protocol):
    """Somebody who is told at once; it must neither wait nor raise."""

    def wants(self, app: str, instance: int, /) -> bool: ...

    def put(self, chunk: Chunk, /) -> None: ...


Wants = Callable[[str, int], bool]
"""Whether a follower wants the output of this app and instance."""


class Hub:
    """One writer, many followers."""

    def __init__(self) -> None:
        self.followers: list[Follower] = []

    def publish(self, chunk: Chunk) -> None:
        """Hand *chunk* to all who want it. Never waits."""
        for follower in self.followers:
            if follower.wants(chunk.app, chunk.instance):
                follower.put(chunk)

    def attach(self, follower: Follower) -> None:
        """Tell *follower* of everything from now on, for as long as the hub lives."""
        self.followers.append(follower)

    @contextmanager
    def follow(
        self, wants: Wants, *, backlog: int = BACKLOG, first: Iterable[Chunk] = ()
    ) -> Iterator[AsyncIterator[Chunk | Skipped]]:
        """All that is published while the block runs, after the chunks of *first*.

        A reader for whom more than *backlog* bytes wait gets these, then one `Skipped`, then
        the end. Waiting for the next chunk may be cancelled without losing one.
        """
        follower = _Follower(wants, backlog, first)
        self.followers.append(follower)
        try:
            yield follower
        finally:
            self.followers.remove(follower)


class _Follower:
    def __init__(self, wants: Wants, backlog: int, first: Iterable[Chunk]) -> None:
        self.wants = wants
        self._queue = deque(first)
        self._free = backlog
        self._skipped = 0
        self._ended = False
        self._wake = trio.Event()

    def put(self, chunk: Chunk) -> None:
        if self._skipped or len(chunk.data) > self._free:
            self._skipped += 1
        else:
            self._free -= len(chunk.data)
            self._queue.append(chunk)
        self._wake.set()

    def __aiter__(self) -> AsyncIterator[Chunk | Skipped]:
        return self

    async def __anext__(self) -> Chunk | Skipped:
        if not self._queue and not self._skipped:
            self._wake = trio.Event()
            await self._wake.wait()
        else:
            await trio.lowlevel.checkpoint()
        if self._queue:
            chunk = self._queue.popleft()
            self._free += len(chunk.data)
            return chunk
        if self._ended:
            raise StopAsyncIteration
        self._ended = True
        return Skipped(self._skipped)


class Ring:
    """The last output of one app: at most 64 KiB, for what is in no file, and for last words."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._chunks: deque[tuple[float, int, Stream, bytes]] = deque()
        self._size = 0

    def add(self, at: float, instance: int, stream: Stream, data: bytes) -> None:
        data = data[-RECENT_BYTES:]
        self._chunks.append((at, instance, stream, data))
        self._size += len(data)
        while self._size > RECENT_BYTES or len(self._chunks) > RECENT_CHUNKS:
            self._size -= len(self._chunks.popleft()[3])

    def chunks(self) -> tuple[Chunk, ...]:
        """What is kept, oldest first; the first may begin inside a line."""
        return tuple(
            Chunk(at, self._app, instance, stream, data)
            for at, instance, stream, data in self._chunks
        )

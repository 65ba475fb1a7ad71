"""Streams: what a handler has to say bit by bit, and how much of it may wait for its reader."""

from collections.abc import Callable
from dataclasses import dataclass

import trio

from oxtrio.errors import OxtrioError

FULL = 64 * 1024
"""Bytes that wait before the writer waits too."""

OVERFULL = 1024 * 1024
"""Bytes beyond which news that cannot wait is dropped."""


@dataclass(frozen=True, slots=True)
class Format:
    """How the lines of a stream are told apart."""

    content_type: str
    pulse: bytes
    """What a quiet stream says now and then, so that either side notices a dead peer."""
    frame: Callable[[str, bytes, str], bytes]
    """(kind of line, JSON, id) → bytes."""


def _ndjson(kind: str, line: bytes, ident: str) -> bytes:
    return line + b"\n"


def _server_sent_event(kind: str, line: bytes, ident: str) -> bytes:
    head = f"event: {kind}\n" + (f"id: {ident}\n" if ident else "")
    return head.encode() + b"data: " + line + b"\n\n"


NDJSON = Format("application/x-ndjson", b"\n", _ndjson)
SERVER_SENT_EVENTS = Format("text/event-stream", b":\n\n", _server_sent_event)


def choose_format(accept: str) -> Format:
    """Server-sent events for who asks for them, NDJSON for all others."""
    return SERVER_SENT_EVENTS if SERVER_SENT_EVENTS.content_type in accept else NDJSON


class Outbox:
    """The lines of one stream on their way out: bounded in bytes, sent as they come.

    A slow reader makes the writer of this one stream wait, and nobody else.
    """

    def __init__(self, style: Format) -> None:
        self._style = style
        self._waiting = bytearray()
        self._opened = False
        self._closed = False
        self._refusal: OxtrioError | None = None
        self._changed = trio.Event()

    def open(self) -> None:
        """The stream stands: from here on errors are told inside it."""
        self._opened = True
        self._change()

    async def put(self, kind: str, line: bytes, ident: str = "") -> None:
        """Send *line* (JSON), after what waits; cancelling this sends nothing."""
        while len(self._waiting) > FULL:
            await self._changed.wait()
        self._add(kind, line, ident)

    def put_nowait(self, kind: str, line: bytes) -> None:
        """Send *line*, or drop it where its reader is far behind."""
        if len(self._waiting) <= OVERFULL:
            self._add(kind, line, "")

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._change()

    def fail(self, error: OxtrioError, line: bytes) -> None:
        """End with *error*: as the last *line*, or instead of a stream that is not open yet."""
        if self._opened:
            self._add("error", line, "")
        else:
            self._refusal = error
        self.close()

    async def wait_open(self) -> OxtrioError | None:
        """Return when the stream stands, or why it does not. Safe to cancel."""
        while not (self._opened or self._closed):
            await self._changed.wait()
        return self._refusal

    async def take(self) -> bytes:
        """All that waits, at least one line; nothing at the end. Safe to cancel."""
        while not (self._waiting or self._closed):
            await self._changed.wait()
        await self._gather()
        taken = bytes(self._waiting)
        self._waiting.clear()
        self._change()
        return taken

    async def _gather(self) -> None:
        """Wait while lines come one upon the other: a packet for each costs most of the time."""
        before = 0
        while before < len(self._waiting) <= FULL and not self._closed:
            before = len(self._waiting)
            await trio.lowlevel.checkpoint()

    def _add(self, kind: str, line: bytes, ident: str) -> None:
        self._waiting += self._style.frame(kind, line, ident)
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

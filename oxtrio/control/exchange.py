"""One request and its answer, as handlers see them; and the bounds that hold for both."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from oxtrio.control.messages import MAX_REQUEST
from oxtrio.control.outbox import Format, Outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of our time and memory a client may take. Times are seconds."""

    head: float = 10.0
    """For the whole head of a request, from the connection or the last answer on."""
    body: float = 10.0
    """For its whole body."""
    send: float = 10.0
    """For a client to take what it asked for, piece by piece."""
    pulse: float = 5.0
    """A stream is never quiet for longer."""
    body_bytes: int = MAX_REQUEST
    large_bodies: int = 16
    """Larger ones that are here at once; who has another one waits, as long as for its own."""
    connections: int = 256
    """Beyond it the one that has been idle longest makes room."""
    orders: int = 128
    """Orders in progress."""
    followers: int = 64
    """Streams of logs and events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks; names of headers are in lower case."""

    method: str
    path: str
    """As sent, without the query."""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    params: Mapping[str, str] = field(default_factory=dict)
    """The variable parts of the path, decoded."""

    def header(self, name: str) -> str:
        """The value of a header, or ""."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that is known as a whole."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An answer that grows: *fill* opens the outbox, then puts its lines into it.

    An error before it is open becomes an ordinary reply.
    """

    style: Format
    fill: Callable[[Outbox], Awaitable[None]]
    endless: bool = False
    """It follows what is to come, and would not end by itself."""


Answer = Callable[[Request], Awaitable[Reply | Stream]]
"""Answers one request; never raises."""

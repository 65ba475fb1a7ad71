"""Output of apps, and how it is asked for."""

from dataclasses import dataclass
from enum import StrEnum, auto


class Stream(StrEnum):
    STDOUT = auto()
    STDERR = auto()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that one instance wrote, as they came: not necessarily whole lines."""

    at: float
    """Wall time in seconds."""
    app: str
    instance: int
    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of output, without its newline."""

    at: float
    """Wall time in seconds; of the write that began the line."""
    app: str
    instance: int
    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which lines to show; several apps are merged in time order."""

    names: tuple[str, ...] = ()
    lines: int | None = 100
    """The last so many that match; None: all."""
    since: float | None = None
    """Wall time in seconds."""
    until: float | None = None
    grep: str | None = None
    """A regular expression (Python `re`, bytes) that the line must contain."""
    level: str | None = None
    """`error` shows error and worse."""
    stream: Stream | None = None
    follow: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """A follower fell behind and was not waited for; *chunks* were not shown."""

    chunks: int

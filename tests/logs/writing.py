"""What the tests of the log layer have in common."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from oxtrio.logs.search import search
from oxtrio.logs.sink import Sink
from oxtrio.logs.store import LogStore, open_store
from oxtrio.model.log import LogLine, LogQuery, Stream
from oxtrio.model.spec import AppSpec, LogSpec

NOON = 1_700_000_000.0
OUT, ERR = Stream.STDOUT, Stream.STDERR


def an_app(name: str = "api", *, instances: int = 1, **logs: object) -> AppSpec:
    spec = LogSpec(**logs)  # type: ignore[arg-type]
    return AppSpec(name=name, command="x", working_dir="/", instances=instances, logs=spec)


class Warnings(list[str]):
    def __call__(self, text: str) -> None:
        self.append(text)


@asynccontextmanager
async def a_store(folder: Path | None) -> AsyncIterator[LogStore]:
    async with open_store(None if folder is None else str(folder), Warnings()) as store:
        yield store


class Clock:
    """A wall clock that goes on by a second whenever it is looked at."""

    def __init__(self, at: float = NOON) -> None:
        self._times = count()
        self._at = at

    def __call__(self) -> float:
        return self._at + next(self._times)


def texts(lines: list[LogLine]) -> list[str]:
    return [line.data.decode() for line in lines]


def found(store: LogStore, app: AppSpec, **query: object) -> list[LogLine]:
    asked = LogQuery(**{"lines": None, **query})  # type: ignore[arg-type]
    return list(search(asked, [store.logs_of(app)]))


def write_numbered(sink: Sink, numbers: range, clock: Clock) -> None:
    for number in numbers:
        assert sink.write(b"%08d %s\n" % (number, b"x" * 80), clock())


def numbers_in(*texts: bytes) -> list[int]:
    """The numbers of whole lines, in order; a torn line fails."""
    lines = b"".join(texts).split(b"\n")
    assert lines.pop() == b""
    assert all(len(line) == 89 and line.endswith(b" " + b"x" * 80) for line in lines)
    return [int(line[:8]) for line in lines]

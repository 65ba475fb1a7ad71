"""A supervisor's answers, written down beforehand, and what was asked of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from oxtrio.errors import OxtrioError
from oxtrio.model.log import LogLine, LogQuery, Skipped, Stream
from oxtrio.model.order import Order, Report, Step, SupervisorStatus, Why
from oxtrio.model.state import State
from oxtrio.model.status import Event, InstanceStatus

STARTED = "2025-01-01T00:00:00+01:00"


def row(name: str, **changes: Any) -> InstanceStatus:
    """An instance that runs well, but for *changes*."""
    app, _, number = name.partition(":")
    values: dict[str, Any] = {
        "name": name,
        "app": app,
        "instance": int(number or 0),
        "pid": 22140,
        "status": State.RUNNING,
        "health": "-",
        "cpu_percent": 3.2,
        "memory_bytes": 210 * 1024**2,
        "restarts": 0,
        "uptime_secs": 194400.0,
        "started_at": STARTED,
        "exit": None,
        "reason": "",
        "since": STARTED,
        "next_at": None,
        "listen": (),
        "command": "python web.py",
        "config": "/srv/oxfile.toml",
        "tags": (),
        "version": "abc123",
        "wanted": True,
        "enabled": True,
    }
    return InstanceStatus(**(values | changes))


def line(name: str, text: bytes, at: float = 0.0, stream: Stream = Stream.STDOUT) -> LogLine:
    """A line that instance *name* wrote."""
    app, _, number = name.partition(":")
    return LogLine(at, app, int(number or 0), stream, text)


@dataclass
class ScriptedClient:
    """Answers as `oxtrio.control.client.Client` would, from what a test has put in."""

    rows: Sequence[InstanceStatus] = ()
    answers: Sequence[Step | Report] = (Report(),)
    output: list[Sequence[LogLine | Skipped]] = field(default_factory=list)
    history: Sequence[Event] = ()
    reason: Why | None = None
    warnings: tuple[str, ...] = ()
    error: OxtrioError | None = None
    orders: list[Order] = field(default_factory=list)
    queries: list[LogQuery] = field(default_factory=list)

    def __enter__(self) -> "ScriptedClient":
        if self.error is not None:
            raise self.error
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def order(self, order: Order) -> Iterator[Step | Report]:
        self.orders.append(order)
        yield from self.answers

    def status(self, names: Sequence[str] = (), *, fresh: bool = False) -> list[InstanceStatus]:
        return [each for each in self.rows if not names or each.app in names]

    def supervisor(self) -> SupervisorStatus:
        return SupervisorStatus(
            version="0.1.0",
            pid=1,
            project="/srv/oxfile.toml",
            id="srv-00000000",
            files=("/srv/oxfile.toml",),
            started_at=STARTED,
            foreground=False,
            stopping=False,
            warnings=self.warnings,
        )

    def why(self, name: str) -> Why:
        assert self.reason is not None
        return self.reason

    def events(self, *, last: int | None = None, follow: bool = False) -> Iterator[Event]:
        yield from self.history

    def logs(self, query: LogQuery) -> Iterator[LogLine | Skipped]:
        self.queries.append(query)
        yield from self.output.pop(0) if self.output else ()

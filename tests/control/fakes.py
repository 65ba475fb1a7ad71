"""A supervisor that does nothing, served on a real control socket."""

import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import trio

from oxtrio.control.exchange import Bounds
from oxtrio.control.listener import open_listener
from oxtrio.control.server import BOUNDS, ControlServer, serve_control
from oxtrio.errors import NotFound
from oxtrio.model.log import LogLine, LogQuery, Skipped, Stream
from oxtrio.model.order import Order, Report, Step, SupervisorStatus, Why
from oxtrio.model.state import State
from oxtrio.model.status import Event, InstanceStatus


def an_instance(name: str = "api", **changes: object) -> InstanceStatus:
    """A running instance, but for *changes*."""
    app, _, number = name.partition(":")
    plain = InstanceStatus(
        name=name,
        app=app,
        instance=int(number or 0),
        pid=4242,
        status=State.RUNNING,
        health="-",
        cpu_percent=1.5,
        memory_bytes=10_000_000,
        restarts=0,
        uptime_secs=12.5,
        started_at="2025-01-01T12:00:00+01:00",
        exit=None,
        reason="",
        since="2025-01-01T12:00:00+01:00",
        next_at=None,
        listen=(),
        command="sleep 1000",
        config="/srv/shop/oxfile.toml",
        tags=(),
        version="1a2b3c4d",
        wanted=True,
        enabled=True,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def an_event(seq: int, **changes: object) -> Event:
    """An event, but for *changes*."""
    plain = Event(
        seq=seq,
        at="2025-01-01T12:00:00+01:00",
        name="api",
        kind="state",
        state="running",
        reason="",
        pid=4242,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def a_line(data: bytes, **changes: object) -> LogLine:
    """A line of output, but for *changes*."""
    return replace(LogLine(1.5, "api", 0, Stream.STDOUT, data), **changes)  # type: ignore[arg-type]


class Bugs(list[str]):
    """What the server reported, as text."""

    def __call__(self, message: str, bug: BaseException) -> None:
        self.append(f"{message}: {bug!r}")


class FakeSteered:
    """What the control API sees of a supervisor; every answer is an attribute to change."""

    def __init__(self, *names: str) -> None:
        self.instances = [an_instance(name) for name in names or ("api",)]
        self.supervisor = SupervisorStatus(
            version="0.1.0",
            pid=1234,
            project="/srv/shop/oxfile.toml",
            id="shop-0a1b2c3d",
            files=("/srv/shop/oxfile.toml",),
            started_at="2025-01-01T12:00:00+01:00",
            foreground=False,
            stopping=False,
        )
        self.steps: list[Step] = [
            Step(name="api", state="starting"),
            Step(name="api", state="running"),
        ]
        self.report = Report(done=(Step(name="api", state="running", pid=4242),))
        self.error: Exception | None = None
        """Raised by whatever is asked next."""
        self.patience = 0.0
        """Seconds that an order takes."""
        self.history: list[Event] = []
        self.lines: list[LogLine | Skipped] = []
        self.orders: list[Order] = []
        """What was asked."""
        self.finished: list[Order] = []
        self.queries: list[LogQuery] = []
        self.shutdowns: list[bool] = []
        self.measured = 0
        self.followers = 0
        self._news: set[trio.MemorySendChannel[Event]] = set()
        self._more: set[trio.MemorySendChannel[LogLine | Skipped]] = set()
        self.nursery: trio.Nursery | None = None
        """Where orders go on when nobody waits for them any more; set when served."""
        self.token: trio.lowlevel.TrioToken | None = None
        self.bugs = Bugs()
        """What the server reported."""

    def soon(self, act: Callable[..., object], *args: object) -> None:
        """Call *act* in the thread of `serving`, and wait for it."""
        trio.from_thread.run_sync(act, *args, trio_token=self.token)

    async def carry_out(self, order: Order, tell: Callable[[Step], None]) -> Report:
        """All steps, after `patience` the report."""
        self._fail()
        self.orders.append(order)
        done = trio.Event()
        assert self.nursery is not None
        self.nursery.start_soon(self._work, order, tell, done)
        await done.wait()
        return self.report

    async def _work(self, order: Order, tell: Callable[[Step], None], done: trio.Event) -> None:
        for step in self.steps:
            tell(step)
        await trio.sleep(self.patience)
        self.finished.append(order)
        done.set()

    def status(self, names: Sequence[str]) -> tuple[InstanceStatus, ...]:
        """The instances, by exact name of app or instance."""
        self._fail()
        chosen = [one for one in self.instances if not names or {one.name, one.app} & set(names)]
        for name in names:
            if not any(name in (one.name, one.app) for one in self.instances):
                raise NotFound(f"no app is named {name!r}", hint="see: oxtrio status")
        return tuple(chosen)

    async def measured_status(self, names: Sequence[str]) -> tuple[InstanceStatus, ...]:
        """The same; counted."""
        self.measured += 1
        await trio.lowlevel.checkpoint()
        return self.status(names)

    async def why(self, name: str) -> Why:
        """A paragraph about nothing."""
        await trio.lowlevel.checkpoint()
        [first, *_] = self.status((name,))
        return Why(name=first.name, state=str(first.status), text="It runs.", last_lines=("hi",))

    def supervisor_status(self) -> SupervisorStatus:
        """The attribute."""
        return self.supervisor

    def events(self, *, since_seq: int | None, last: int | None) -> tuple[Event, ...]:
        """The history."""
        self._fail()
        found = [one for one in self.history if since_seq is None or one.seq > since_seq]
        return tuple(found[len(found) - last if last is not None and last < len(found) else 0 :])

    def happen(self, event: Event) -> None:
        """Something happens; who follows is told."""
        self.history.append(event)
        for news in list(self._news):
            try:
                news.send_nowait(event)
            except trio.WouldBlock:
                self._news.discard(news)
                news.close()

    @contextmanager
    def follow_events(self) -> Iterator[AsyncIterator[Event]]:
        """What `happen` is told."""
        send, receive = trio.open_memory_channel[Event](8)
        with self._counted(), send, receive:
            self._news.add(send)
            yield receive
            self._news.discard(send)

    def write(self, line: LogLine | Skipped) -> None:
        """An app writes a line; who follows is shown it."""
        self.lines.append(line)
        for more in list(self._more):
            more.send_nowait(line)

    @asynccontextmanager
    async def follow_logs(self, query: LogQuery) -> AsyncIterator[AsyncIterator[LogLine | Skipped]]:
        """The lines, then what `write` is told."""
        self._fail()
        self.queries.append(query)
        self.status(query.names)
        send, receive = trio.open_memory_channel[LogLine | Skipped](float("inf"))
        with self._counted(), receive:
            for line in self.lines:
                send.send_nowait(line)
            if query.follow:
                self._more.add(send)
            else:
                send.close()
            yield receive
            self._more.discard(send)

    def shutdown(self, kill: bool) -> None:
        """Noted."""
        self.shutdowns.append(kill)
        self.supervisor = replace(self.supervisor, stopping=True)

    def end_logs(self) -> None:
        """No more output will come: followers see the end."""
        for more in self._more:
            more.close()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.followers += 1
        try:
            yield
        finally:
            self.followers -= 1

    def _fail(self) -> None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error


@asynccontextmanager
async def served(
    fake: FakeSteered, address: str, bounds: Bounds = BOUNDS
) -> AsyncIterator[tuple[ControlServer, Bugs]]:
    """Serve *fake* at *address* in this very Trio run."""
    bugs = Bugs()
    async with trio.open_nursery() as nursery:
        fake.nursery = nursery
        serve = partial(serve_control, open_listener(address), fake, bugs, bounds=bounds)
        server: ControlServer = await nursery.start(serve)
        yield server, bugs
        nursery.cancel_scope.cancel()


@contextmanager
def serving(fake: FakeSteered, address: str = "", bounds: Bounds = BOUNDS) -> Iterator[str]:
    """Serve *fake* in a thread of its own; yields the address of the control socket.

    Whoever changes *fake* while a client is connected does it by `fake.soon`.
    """
    with tempfile.TemporaryDirectory(prefix="oxtrio-") as folder:
        address = address or str(Path(folder) / "control.sock")
        ready, end = threading.Event(), trio.CancelScope()

        async def serve() -> None:
            with end:
                async with served(fake, address, bounds) as (_, bugs):
                    fake.bugs = bugs
                    fake.token = trio.lowlevel.current_trio_token()
                    ready.set()
                    await trio.sleep_forever()

        thread = threading.Thread(target=trio.run, args=(serve,), daemon=True)
        thread.start()
        assert ready.wait(10), "the fake supervisor did not begin to serve"
        try:
            yield address
        finally:
            fake.soon(end.cancel)
            thread.join(10)
            assert not thread.is_alive(), "the fake supervisor did not end"

"""Apps whose addresses are held, and their clients."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import trio

from oxtrio.model.order import Report, Step, Verb
from oxtrio.model.spec import AppSpec, HealthSpec, ListenSpec
from oxtrio.monitors.health import watch_health
from tests.engine import Engine, an_app, program
from tests.system.clients import free_port

PATIENCE = 10.0
"""Seconds after which a client has waited in vain."""


def at(port: int) -> ListenSpec:
    return ListenSpec(host="127.0.0.1", port=port)


def somewhere() -> ListenSpec:
    return at(free_port())


def held(name: str, *options: str, **changes: object) -> AppSpec:
    """An app that serves what it is handed."""
    return an_app(name, program("held.py", *options), **changes)


def web(listen: ListenSpec, *options: str, release: str = "1", **changes: object) -> AppSpec:
    """The app `web` at *listen*, in a *release*."""
    return held("web", "--release", release, *options, listen=(listen,), **changes)


def checked(listen: ListenSpec, **changes: object) -> HealthSpec:
    """Asked often, at its own address."""
    plain = HealthSpec(
        endpoint=f"http://127.0.0.1:{listen.port}/health",
        interval=0.05,
        timeout=2.0,
        unhealthy_threshold=2,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def probing(here: Engine) -> AsyncIterator[None]:
    """Health checks are made inside."""
    async with trio.open_nursery() as nursery:
        with here.supervisor.runs() as runs:
            nursery.start_soon(watch_health, runs, here.supervisor.report)
            yield
            nursery.cancel_scope.cancel()


@dataclass
class Answered:
    """What a client was told: the release, and the pid of who answered."""

    release: str
    pid: int


async def connect(listen: ListenSpec, host: str = "") -> trio.SocketStream:
    """Raises `OSError` where nobody listens."""
    if listen.path is not None:
        return await trio.open_unix_socket(listen.path)
    return await trio.open_tcp_stream(host or listen.host, listen.port)


async def ask(listen: ListenSpec, path: str = "/", host: str = "") -> Answered:
    """One request by a connection of its own. Raises `OSError` where it is not answered."""
    with trio.fail_after(PATIENCE):
        async with await connect(listen, host) as stream:
            return await request(stream, path)


async def request(stream: trio.SocketStream, path: str = "/") -> Answered:
    await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    said = b""
    while more := await stream.receive_some():
        said += more
    head, _, body = said.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise OSError(f"answered by {said!r}")
    release, pid = body.decode().split()
    return Answered(release, int(pid))


async def is_refused(listen: ListenSpec) -> bool:
    try:
        await trio.aclose_forcefully(await connect(listen))
    except OSError:
        return True
    return False


async def until_served(listen: ListenSpec) -> None:
    """For what binds by itself, and so is up before it serves."""
    while await is_refused(listen):  # noqa: ASYNC110
        await trio.sleep(0.01)


@dataclass
class Client:
    """Asks again and again, each time by a new connection."""

    listen: ListenSpec
    answers: list[Answered] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def releases(self) -> list[str]:
        """In the order of their first answers.

        What one has accepted it may still answer when the next has answered another client.
        """
        return list(dict.fromkeys(each.release for each in self.answers))

    async def go_on(self) -> None:
        while True:
            try:
                self.answers.append(await ask(self.listen))
            except (OSError, trio.TooSlowError) as error:
                self.failures.append(repr(error))
            await trio.sleep(0.002)


@asynccontextmanager
async def asking(listen: ListenSpec) -> AsyncIterator[Client]:
    """Somebody uses the address all the time; in the end they had no failure at all."""
    client = Client(listen)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.go_on)
        nursery.start_soon(client.go_on)
        yield client
        seen = len(client.answers)
        while len(client.answers) < seen + 4 and not client.failures:  # noqa: ASYNC110
            await trio.sleep(0.005)
        nursery.cancel_scope.cancel()
    assert client.failures == []


@dataclass
class Told:
    """The progress of an order."""

    steps: list[Step] = field(default_factory=list)

    def __call__(self, step: Step) -> None:
        self.steps.append(step)

    def of(self, name: str) -> list[str]:
        """How far the newcomer of *name* has come, without pids."""
        return [
            " ".join(word for word in step.reason.split() if not word.isdigit())
            for step in self.steps
            if step.name == name and step.state == "reloading"
        ]


async def reload(here: Engine, *specs: AppSpec, told: Told | None = None) -> Report:
    """The oxfile says this now, and it is reloaded."""
    if specs:
        here.take(*specs)
    return await here.order(Verb.RELOAD, tell=told or Told())

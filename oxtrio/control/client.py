"""The command line's half of the control API: synchronous, and cheap to import.

What the supervisor refuses is raised here as the error that it named. Leaving in the middle
(Ctrl-C) leaves the operation running.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import quote, urlencode

from oxtrio.control import messages
from oxtrio.control.wire import Readiness, Shutdown
from oxtrio.errors import DaemonUnreachable, NotRunning, ProtocolError, Refused
from oxtrio.model.log import LogLine, LogQuery, Skipped
from oxtrio.model.order import Order, Report, Step, SupervisorStatus, Why
from oxtrio.model.status import Event, InstanceStatus
from oxtrio.system import unixsocket

if TYPE_CHECKING:
    from oxtrio.control.connection import Answer

T = TypeVar("T")
Params = list[tuple[str, str | int | float]]

PATIENCE = 10.0
"""Seconds in which a supervisor that is well says at least something."""

OK = (200, 202)


class Client:
    """Talks to the supervisor that listens at *address* (a path, or `@name`).

    A context manager. Every method raises `NotRunning` where nobody listens (any more),
    `DaemonUnreachable` where nothing comes for *patience* seconds, `ProtocolError` for
    nonsense, and whatever error the supervisor itself answers with.
    """

    def __init__(self, address: str, *, patience: float = PATIENCE) -> None:
        self.address = address
        self._patience = patience

    def __enter__(self) -> Self:
        self._check_owner(unixsocket.find_listener(self.address, self._patience))
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Nothing is kept open: every question has a connection of its own."""

    def order(self, order: Order) -> Iterator[Step | Report]:
        """Carry out *order*: its steps as they happen, then exactly one `Report`."""
        body = messages.write_request(order)
        with self._asking("POST", "/v1/orders", body) as answer:
            for line in answer.lines():
                said = messages.read_order_line(line)
                if said is not None:
                    yield said
                if isinstance(said, Report):
                    return
        raise NotRunning("the supervisor ended before it had done what was asked")

    def status(self, names: tuple[str, ...] = (), *, fresh: bool = False) -> list[InstanceStatus]:
        """What *names* are (none: all); *fresh*: with CPU and memory measured now."""
        params = _names(names) + [("fresh", 1)] * fresh
        return messages.read_replies(InstanceStatus, self._get("/v1/status", params))

    def supervisor(self) -> SupervisorStatus:
        """The supervisor itself."""
        return messages.read_reply(SupervisorStatus, self._get("/v1/supervisor"))

    def why(self, name: str) -> Why:
        """Why one instance is in its state."""
        return messages.read_reply(
            Why, self._get(f"/v1/why/{quote(name, safe='', errors='surrogateescape')}")
        )

    def ready(self) -> bool:
        """Whether every wanted app is up."""
        return messages.read_reply(Readiness, self._get("/readyz", ok=(200, 503))).ready

    def events(
        self, *, last: int | None = None, since: int | None = None, follow: bool = False
    ) -> Iterator[Event]:
        """The *last* events (None: all that are kept), with *follow* also those to come.

        *since*: only those after that number.
        """
        params: Params = [("last", last)] if last is not None else []
        params += [("since", since)] if since is not None else []
        if not follow:
            yield from messages.read_replies(Event, self._get("/v1/events", params))
            return
        yield from self._follow("/v1/events", [*params, ("follow", 1)], messages.read_event)

    def logs(self, query: LogQuery) -> Iterator[LogLine | Skipped]:
        """The lines that match; with `query.follow` also those to come."""
        yield from self._follow("/v1/logs", _log_params(query), messages.read_log_line)

    def shutdown(self, *, kill: bool = False) -> None:
        """Begin to end the supervisor and all its apps; does not wait for it."""
        body = messages.write_request(Shutdown(kill=kill))
        with self._asking("POST", "/v1/supervisor/shutdown", body) as answer:
            answer.read()

    def _get(self, path: str, params: Params | None = None, ok: tuple[int, ...] = (200,)) -> bytes:
        with self._asking("GET", _target(path, params), ok=ok) as answer:
            return answer.read()

    def _follow(self, path: str, params: Params, read: Callable[[bytes], T]) -> Iterator[T]:
        with self._asking("GET", _target(path, params)) as answer:
            yield from map(read, answer.lines())

    @contextmanager
    def _asking(
        self, method: str, target: str, content: bytes | None = None, ok: tuple[int, ...] = OK
    ) -> Iterator["Answer"]:
        """The answer to one question, its body still to be read. Raises what the class says."""
        # 15 ms, which a command that finds nobody to talk to need not pay.
        from oxtrio.control.connection import BrokenOff, Connection

        with Connection(self.address, self._patience) as connection:
            self._check_owner(connection.peer)
            try:
                answer = connection.ask(method, target, content)
                if answer.status not in ok:
                    raise messages.read_error(answer.read())
                yield answer
            except TimeoutError:
                raise DaemonUnreachable(
                    f"the supervisor (pid {connection.peer.pid}) does not answer",
                    hint="it is stopped or overloaded; see: oxtrio doctor",
                ) from None
            except BrokenOff as broken:
                # Says so where nobody listens any more.
                unixsocket.find_listener(self.address, self._patience)
                raise ProtocolError(
                    f"the supervisor broke off its answer: {broken}", hint="see: oxtrio events"
                ) from None

    def _check_owner(self, peer: unixsocket.Peer) -> None:
        """Anybody can listen on an abstract address that is free; its folder keeps a path."""
        if not self.address.startswith("@"):
            return
        _, _, rest = self.address.partition("/")
        owner = rest.partition("/")[0]
        if str(peer.uid) not in (owner, "0"):
            raise Refused(f"{self.address} belongs to user {peer.uid}, not to you")


def _target(path: str, params: Params | None) -> str:
    query = urlencode(params or [], errors="surrogateescape")
    return f"{path}?{query}" if query else path


def _log_params(query: LogQuery) -> Params:
    said = {
        "lines": "all" if query.lines is None else query.lines,
        "since": query.since,
        "until": query.until,
        "grep": query.grep,
        "level": query.level,
        "stream": query.stream,
        "follow": int(query.follow) or None,
    }
    return _names(query.names) + [(key, one) for key, one in said.items() if one is not None]


def _names(names: tuple[str, ...]) -> Params:
    return [("name", name) for name in names]

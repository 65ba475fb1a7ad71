"""The control API on its socket. What goes wrong with one client stays with that client."""

import errno
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from functools import partial
from typing import Never

import trio

from oxtrio.control.exchange import Bounds, Reply, Request, Stream
from oxtrio.control.facade import Steered
from oxtrio.control.guests import Guests
from oxtrio.control.http import Conversation
from oxtrio.control.messages import write
from oxtrio.control.outbox import Outbox
from oxtrio.control.replies import ErrorReply, InternalError, Overloaded, error_reply
from oxtrio.control.route import Access, find
from oxtrio.control.routes import ROUTES
from oxtrio.control.wire import to_error_object
from oxtrio.errors import OxtrioError
from oxtrio.system import unixsocket

Report = Callable[[str, BaseException], None]

BOUNDS = Bounds()

SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED}
"""Why `accept` can fail while the listener itself is well."""

SHORTAGE_PAUSE = 0.1


async def serve_control(
    opening: AbstractAsyncContextManager[trio.SocketListener],
    steered: Steered,
    report: Report,
    *,
    bounds: Bounds = BOUNDS,
    task_status: trio.TaskStatus["ControlServer"] = trio.TASK_STATUS_IGNORED,
) -> Never:
    """Answer the clients of *steered* until cancelled, which hangs up on them.

    Started once clients can connect, with the `ControlServer`, whose `finish` lets the last
    answers go out first. *report* is told of bugs (and of a lack of descriptors), once each.
    *opening*: where they come (`open_listener`).
    """
    server = ControlServer(steered, report, bounds)
    async with opening as listener:
        task_status.started(server)
        await server.serve(listener)


class ControlServer:
    """Answers requests, each client in a task of its own."""

    def __init__(self, steered: Steered, report: Report, bounds: Bounds = BOUNDS) -> None:
        self._steered = steered
        self._report = report
        self._bounds = bounds
        self._guests = Guests(bounds.connections)
        self._places = {Access.CHANGE: bounds.orders, Access.FOLLOW: bounds.followers}
        self._taken: Counter[Access] = Counter()
        self._room = trio.CapacityLimiter(bounds.large_bodies)
        self._answering = 0
        self._followers: set[trio.CancelScope] = set()
        self._changed = trio.lowlevel.ParkingLot()
        self._short = False
        self._open = trio.Event()
        self._open.set()
        self._accepting = trio.CancelScope()
        self.listener: trio.SocketListener | None = None

    async def serve(self, listener: trio.SocketListener) -> Never:
        """Accept clients until cancelled; running out of descriptors only pauses it."""
        self.listener = listener
        async with trio.open_nursery() as clients:
            while True:
                await self._open.wait()
                with trio.CancelScope() as self._accepting:
                    stream = await self._accept(listener)
                if self._accepting.cancelled_caught:
                    continue
                await self._guests.make_room()
                clients.start_soon(self._receive, stream)
        raise AssertionError("the loop above has no end")

    def hold(self) -> None:
        """Accept nobody from now on: who comes waits in the queue until `go_on`."""
        self._open = trio.Event()
        self._accepting.cancel()

    def go_on(self) -> None:
        """Accept clients again."""
        self._open.set()

    async def finish(self) -> None:
        """Return when every answer has gone out: orders first, then followers are let go.

        New requests are still answered. Not bounded by itself, as a client may be slow;
        cancelling it changes nothing.
        """
        while self._answering > len(self._followers):
            await self._changed.park()
        for follower in self._followers:
            follower.cancel()
        while self._answering:
            await self._changed.park()

    async def _accept(self, listener: trio.SocketListener) -> trio.SocketStream:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if error.errno not in SHORTAGES:
                    raise
                if not self._short:
                    self._report("control socket: cannot accept clients for now", error)
                self._short = True
                self._guests.dismiss_one()
                await trio.sleep(SHORTAGE_PAUSE)
            else:
                self._short = False
                return stream

    async def _receive(self, stream: trio.SocketStream) -> None:
        with self._guests.staying():
            async with stream:
                try:
                    # A stranger does not get one byte, not even a refusal.
                    if unixsocket.is_allowed(stream.socket):
                        await self._converse(stream)
                except Exception as bug:  # noqa: BLE001 - a bug costs this client its connection
                    self._report("control socket: a connection failed", bug)

    async def _converse(self, stream: trio.SocketStream) -> None:
        is_gone = partial(unixsocket.is_gone, stream.socket)
        conversation = Conversation(stream, self._bounds, is_gone, self._room)
        while True:
            request = None
            with self._guests.idling():
                request = await conversation.next_request()
            if request is None:
                return
            with self._counting():
                await conversation.respond(request, self._answer)
            if not conversation.start_next():
                return

    async def _answer(self, request: Request) -> Reply | Stream:
        """The answer to *request*; never raises for a bug."""
        try:
            found = find(ROUTES, request)
            if isinstance(found, Reply):
                return found
            access = found.route.access
            with self._place(access):
                answer = found.route.handler(self._steered, found.request)
                if isinstance(answer, Awaitable):
                    answer = await answer
        except Exception as error:  # noqa: BLE001 - the boundary of one request
            return error_reply(self._blame(error, request))
        if isinstance(answer, Stream):
            return replace(answer, fill=partial(self._fill, answer, access, request))
        return answer

    async def _fill(self, stream: Stream, access: Access, request: Request, outbox: Outbox) -> None:
        """Let *stream* fill its outbox, and end it whatever happens."""
        try:
            with self._place(access), self._following(stream):
                await stream.fill(outbox)
        except Exception as error:  # noqa: BLE001 - the boundary of one request
            blamed = self._blame(error, request)
            outbox.fail(blamed, write(ErrorReply(error=to_error_object(blamed))))
        outbox.close()

    def _blame(self, error: Exception, request: Request) -> OxtrioError:
        """What the client is told; a bug is reported, and not explained to it."""
        if isinstance(error, OxtrioError):
            return error
        self._report(f"control socket: {request.method} {request.path[:200]} failed", error)
        return InternalError()

    @contextmanager
    def _place(self, access: Access) -> Iterator[None]:
        """One of the places for this kind of request. Raises `Overloaded`."""
        most = self._places.get(access)
        if most is not None and self._taken[access] >= most:
            raise Overloaded(f"too many clients: {most} of this kind already", "try again")
        self._taken[access] += 1
        try:
            yield
        finally:
            self._taken[access] -= 1

    @contextmanager
    def _following(self, stream: Stream) -> Iterator[None]:
        """Where *stream* would not end by itself: a scope that `finish` can cancel."""
        if not stream.endless:
            yield
            return
        with trio.CancelScope() as scope:
            self._followers.add(scope)
            self._changed.unpark_all()
            try:
                yield
            finally:
                self._followers.discard(scope)
                self._changed.unpark_all()

    @contextmanager
    def _counting(self) -> Iterator[None]:
        self._answering += 1
        try:
            yield
        finally:
            self._answering -= 1
            self._changed.unpark_all()

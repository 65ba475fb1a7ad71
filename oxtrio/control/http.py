"""HTTP/1.1 with one client: h11 decides, Trio carries, and everything has a bound.

A client can be slow, silent, gone, or talk nonsense; it then loses its connection, and
nobody else notices. Nothing here raises for what a client does.
"""

from collections.abc import Callable, Iterator
from http import HTTPStatus

import h11
import trio

from oxtrio import __version__
from oxtrio.control.exchange import Answer, Bounds, Reply, Request, Stream
from oxtrio.control.outbox import Outbox
from oxtrio.control.replies import error_reply
from oxtrio.errors import ProtocolError

PIECE = 64 * 1024
"""Bytes that are read or written at a time."""

Event = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]
Headers = list[tuple[str, str]]

SMALL = 16 * 1024
"""Bytes of a body that waits for no place."""


class Malformed(Exception):
    """What the client sent is no request that we take."""

    def __init__(self, why: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(why)
        self.error = ProtocolError(why)
        self.status = status


class Conversation:
    """One client's connection: its requests in order, each answered before the next is read."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        bounds: Bounds,
        is_gone: Callable[[], bool],
        room: trio.CapacityLimiter | None = None,
    ) -> None:
        """*is_gone* tells, once the client is silent for good, whether it does not listen.

        In *room* all clients have places for large bodies; None: it has one of its own.
        """
        self._room = room or trio.CapacityLimiter(1)
        self._stream = stream
        self._bounds = bounds
        self._is_gone = is_gone
        self._peer = h11.Connection(h11.SERVER, max_incomplete_event_size=PIECE)
        self._head_only = False

    async def next_request(self) -> Request | None:
        """The next whole request; None when there will be none, which the client was told.

        Cancelling this loses what has been read of it.
        """
        try:
            head = await self._read_head()
            if head is None:
                return None
            body = await self._read_body(head)
        except (Malformed, h11.RemoteProtocolError) as error:
            await self._refuse(error)
            return None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return None
        path, _, query = head.target.decode("ascii", "replace").partition("?")
        return Request(
            method=head.method.decode("ascii"),
            path=path,
            query=query,
            headers={name.decode(): value.decode("latin-1") for name, value in head.headers},
            body=body,
        )

    async def respond(self, request: Request, answer: Answer) -> None:
        """Answer *request*; ends early when the client has gone.

        Cancelling this cuts the answer off.
        """
        self._head_only = request.method == "HEAD"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_peer, nursery.cancel_scope)
            match await answer(request):
                case Reply() as reply:
                    await self._send_reply(reply)
                case Stream() as stream:
                    outbox = Outbox(stream.style)
                    nursery.start_soon(stream.fill, outbox)
                    await self._send_stream(stream, outbox)
            nursery.cancel_scope.cancel()

    def start_next(self) -> bool:
        """Whether the connection can take another request."""
        if self._peer.our_state is not h11.DONE or self._peer.their_state is not h11.DONE:
            return False
        self._peer.start_next_cycle()
        return True

    async def _read_head(self) -> h11.Request | None:
        with trio.move_on_after(self._bounds.head):
            match await self._next_event():
                case h11.Request() as head:
                    return head
                case _:
                    return None
        if self._peer.trailing_data[0]:
            raise Malformed("the request took too long", HTTPStatus.REQUEST_TIMEOUT)
        return None  # it has said nothing, and is told nothing

    async def _read_body(self, head: h11.Request) -> bytes:
        length = dict(head.headers).get(b"content-length", b"0")
        if int(length) > self._bounds.body_bytes:
            raise self._too_large()
        with trio.move_on_after(self._bounds.body):
            if _is_small(head):
                return await self._collect_body()
            async with self._room:
                return await self._collect_body()
        raise Malformed("the body took too long", HTTPStatus.REQUEST_TIMEOUT)

    async def _collect_body(self) -> bytes:
        body = bytearray()
        await self._invite_body()
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            if len(body) > self._bounds.body_bytes:
                raise self._too_large()
        return bytes(body)

    def _too_large(self) -> Malformed:
        why = f"the body is larger than {self._bounds.body_bytes} bytes"
        return Malformed(why, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    async def _invite_body(self) -> None:
        if self._peer.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))

    async def _next_event(self) -> Event:
        while True:
            event = self._peer.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._peer.receive_data(bytes(await self._stream.receive_some(PIECE)))

    async def _watch_peer(self, answering: trio.CancelScope) -> None:
        """Cancel *answering* when the client goes away meanwhile."""
        try:
            data = bytes(await self._stream.receive_some(PIECE))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            answering.cancel()
            return
        # A client that talks on (its next request) or that has said its last word but still
        # listens is not watched any further: writing to it will tell when it is gone.
        self._peer.receive_data(data)
        if not data and self._is_gone():
            answering.cancel()

    async def _refuse(self, error: Malformed | h11.RemoteProtocolError) -> None:
        """Say what was wrong, if that is still possible; the connection is of no more use."""
        if self._peer.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        if isinstance(error, Malformed):
            reply = error_reply(error.error, error.status)
        else:
            # What h11 says may quote what the client sent.
            reply = error_reply(ProtocolError("not valid HTTP/1.1"), error.error_status_hint)
        await self._send_reply(reply, close=True)

    async def _send_reply(self, reply: Reply, *, close: bool = False) -> None:
        headers = [*reply.headers, ("content-length", str(len(reply.body)))]
        if close:
            headers.append(("connection", "close"))
        head = self._head(reply.status, reply.content_type, headers)
        # The head goes with the first piece in one packet, which mostly is the only one.
        packet: list[h11.Event] = [head]
        for piece in () if self._head_only else _pieces(reply.body):
            if not await self._send(*packet, h11.Data(data=piece)):
                return
            packet = []
        await self._send(*packet, h11.EndOfMessage())

    async def _send_stream(self, stream: Stream, outbox: Outbox) -> None:
        if refusal := await outbox.wait_open():
            await self._send_reply(error_reply(refusal))
            return
        # The length of a stream is not known, and a client that has read one is done.
        head = self._head(HTTPStatus.OK, stream.style.content_type, [("connection", "close")])
        sent = await self._send(head)
        while sent and not self._head_only and (data := await self._take(stream, outbox)):
            for piece in _pieces(data):
                sent = sent and await self._send(h11.Data(data=piece))
        if sent:
            await self._send(h11.EndOfMessage())

    async def _take(self, stream: Stream, outbox: Outbox) -> bytes:
        with trio.move_on_after(self._bounds.pulse):
            return await outbox.take()
        return stream.style.pulse

    def _head(self, status: int, content_type: str, headers: Headers) -> h11.Response:
        ours = [
            ("server", f"oxtrio/{__version__}"),
            ("content-type", content_type),
            ("cache-control", "no-store"),
        ]
        phrase = HTTPStatus(status).phrase
        return h11.Response(status_code=status, headers=[*ours, *headers], reason=phrase)

    async def _send(self, *events: h11.Event) -> bool:
        """Whether the client took them, in time."""
        data = b"".join(self._peer.send(event) or b"" for event in events)
        with trio.move_on_after(self._bounds.send):
            try:
                if data:
                    await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            else:
                return True
        self._peer.send_failed()
        return False


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]


def _is_small(head: h11.Request) -> bool:
    """Whether its body is so small that any number of them may be here at once."""
    headers = dict(head.headers)
    return b"transfer-encoding" not in headers and int(headers.get(b"content-length", 0)) <= SMALL

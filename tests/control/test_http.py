"""One client, in virtual time, over a connection that never fails by itself."""

import json

import pytest
import trio
from trio.abc import Stream as ByteStream
from trio.testing import MockClock, lockstep_stream_pair, memory_stream_pair

from oxtrio.control.exchange import Bounds, Reply, Request, Stream
from oxtrio.control.http import Conversation
from oxtrio.control.messages import MAX_REQUEST
from oxtrio.control.outbox import NDJSON, SERVER_SENT_EVENTS, Outbox
from oxtrio.errors import NotFound

GET = b"GET /v1/status?name=api HTTP/1.1\r\nHost: x\r\n\r\n"


class Connected:
    """A client's end of a conversation whose requests are all answered alike."""

    def __init__(
        self,
        nursery: trio.Nursery,
        answer: Reply | Stream,
        *,
        gone: bool = True,
        room: trio.CapacityLimiter | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.ended_at: float | None = None
        self.bounds = Bounds()
        self.room = room or trio.CapacityLimiter(1)
        self.gone = gone
        self._answer = answer
        self.end: ByteStream
        self.end, theirs = self.pair()
        nursery.start_soon(self._converse, theirs)

    def pair(self) -> tuple[ByteStream, ByteStream]:
        return memory_stream_pair()

    async def _converse(self, stream: ByteStream) -> None:
        conversation = Conversation(stream, self.bounds, lambda: self.gone, self.room)
        async with stream:
            while (request := await conversation.next_request()) is not None:
                self.requests.append(request)
                await conversation.respond(request, self.answer)
                if not conversation.start_next():
                    break
        self.ended_at = trio.current_time()

    async def answer(self, request: Request) -> Reply | Stream:
        return self._answer

    async def read_all(self) -> bytes:
        """Everything until the server closes."""
        return b"".join([bytes(piece) async for piece in self.end])  # type: ignore[attr-defined]


class Deaf(Connected):
    """A client that takes nothing unless it reads."""

    def pair(self) -> tuple[ByteStream, ByteStream]:
        return lockstep_stream_pair()


def lines(*said: bytes, then_wait: bool = False) -> Stream:
    async def fill(outbox: Outbox) -> None:
        outbox.open()
        for line in said:
            await outbox.put("log", line)
        if then_wait:
            await trio.sleep_forever()
        outbox.close()

    return Stream(style=NDJSON, fill=fill)


OK = Reply(body=b"{}\n")


async def test_a_request_is_taken_apart_and_its_reply_put_together(nursery: trio.Nursery):
    client = Connected(nursery, OK)

    await client.end.send_all(GET)
    reply = await client.end.receive_some()

    [request] = client.requests
    assert (request.method, request.path, request.query) == ("GET", "/v1/status", "name=api")
    assert request.header("host") == "x"
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert reply.endswith(b"content-length: 3\r\n\r\n{}\n")
    await client.end.aclose()


async def test_a_connection_serves_many_requests_also_when_they_come_at_once(
    nursery: trio.Nursery,
):
    client = Connected(nursery, OK)

    await client.end.send_all(GET * 3)
    await client.end.send_all(GET.replace(b"Host", b"Connection: close\r\nHost"))

    assert (await client.read_all()).count(b"HTTP/1.1 200 OK") == 4


async def test_who_says_nothing_is_closed_after_ten_seconds_without_a_word(
    nursery: trio.Nursery, autojump_clock: MockClock
):
    client = Connected(nursery, OK)

    assert await client.read_all() == b""
    assert trio.current_time() == pytest.approx(10)


async def test_a_head_in_drops_is_cut_off_after_ten_seconds_in_all(
    nursery: trio.Nursery, autojump_clock: MockClock
):
    client = Connected(nursery, OK)

    async def drip() -> None:
        for byte in GET * 10:
            await client.end.send_all(bytes([byte]))
            await trio.sleep(0.5)

    with pytest.raises(trio.BrokenResourceError):
        await drip()

    assert client.ended_at == pytest.approx(10)
    assert (await client.read_all()).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


async def test_a_body_that_does_not_come_is_cut_off_after_ten_seconds(
    nursery: trio.Nursery, autojump_clock: MockClock
):
    client = Connected(nursery, OK)

    await client.end.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc")

    assert b"the body took too long" in await client.read_all()
    assert trio.current_time() == pytest.approx(10)
    assert client.requests == []


async def test_a_body_is_taken_up_to_a_mebibyte(nursery: trio.Nursery):
    client = Connected(nursery, OK)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % MAX_REQUEST

    await client.end.send_all(head + b"x" * MAX_REQUEST)
    await client.end.receive_some()

    assert len(client.requests[0].body) == MAX_REQUEST
    await client.end.aclose()


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (MAX_REQUEST + 1),
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 17,
    ],
    ids=["announced", "in chunks"],
)
async def test_a_larger_body_is_refused(nursery: trio.Nursery, request_: bytes):
    client = Connected(nursery, OK)

    await client.end.send_all(request_)

    assert (await client.read_all()).startswith(b"HTTP/1.1 413 ")
    assert client.requests == []


async def test_who_asks_before_it_sends_a_body_is_told_to_go_on(nursery: trio.Nursery):
    client = Connected(nursery, OK)

    await client.end.send_all(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )
    assert (await client.end.receive_some()).startswith(b"HTTP/1.1 100 ")
    await client.end.send_all(b"{}")

    assert (await client.end.receive_some()).startswith(b"HTTP/1.1 200 OK")
    await client.end.aclose()


@pytest.mark.parametrize(
    ("garbage", "status"),
    [
        (b"{not json}\n\n", 400),
        (b"\0" * 4096 + b"\n\n", 400),
        (b"A" * 200_000, 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", 431),
    ],
)
async def test_garbage_is_answered_once_with_a_json_error(
    nursery: trio.Nursery, garbage: bytes, status: int
):
    client = Connected(nursery, OK)

    await client.end.send_all(garbage)
    head, _, body = (await client.read_all()).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in head
    assert json.loads(body)["error"]["kind"] == "ProtocolError"
    assert client.requests == []


async def test_a_half_closed_client_is_answered(nursery: trio.Nursery):
    client = Connected(nursery, lines(b"1", b"2"), gone=False)

    await client.end.send_all(GET)
    await client.end.send_eof()  # type: ignore[attr-defined]

    assert b"1\n2\n" in await client.read_all()


async def test_a_half_request_is_refused(nursery: trio.Nursery):
    client = Connected(nursery, OK)

    await client.end.send_all(GET[:20])
    await client.end.send_eof()  # type: ignore[attr-defined]

    assert (await client.read_all()).startswith(b"HTTP/1.1 400 ")


async def test_head_is_answered_without_a_body(nursery: trio.Nursery):
    client = Connected(nursery, OK)

    await client.end.send_all(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert (await client.read_all()).endswith(b"\r\n\r\n")


async def test_a_stream_arrives_in_chunks_and_ends_its_connection(nursery: trio.Nursery):
    client = Connected(nursery, lines(b"1", b"2"))

    await client.end.send_all(GET)
    answer = await client.read_all()

    assert b"transfer-encoding: chunked" in answer.lower()
    assert b"content-type: application/x-ndjson" in answer
    assert answer.endswith(b"4\r\n1\n2\n\r\n0\r\n\r\n")


async def test_a_client_of_http_1_0_gets_a_stream_that_ends_with_its_connection(
    nursery: trio.Nursery,
):
    client = Connected(nursery, lines(b"1"))

    await client.end.send_all(b"GET / HTTP/1.0\r\n\r\n")

    assert (await client.read_all()).endswith(b"\r\n\r\n1\n")


async def test_a_stream_that_fails_before_it_stands_is_an_ordinary_error(nursery: trio.Nursery):
    async def fill(outbox: Outbox) -> None:
        outbox.fail(NotFound("no app is named 'x'"), b"")

    client = Connected(nursery, Stream(style=NDJSON, fill=fill))

    await client.end.send_all(GET)
    reply = await client.end.receive_some()
    assert reply.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert b"no app is named" in reply
    await client.end.aclose()


@pytest.mark.parametrize(
    ("style", "pulse"), [(NDJSON, b"1\r\n\n\r\n"), (SERVER_SENT_EVENTS, b"3\r\n:\n\n\r\n")]
)
async def test_a_quiet_stream_shows_every_five_seconds_that_it_lives(
    nursery: trio.Nursery, autojump_clock: MockClock, style: object, pulse: bytes
):
    quiet = lines(then_wait=True)
    client = Connected(nursery, Stream(style=style, fill=quiet.fill))  # type: ignore[arg-type]

    await client.end.send_all(GET)
    await client.end.receive_some()

    assert [await client.end.receive_some() for _ in range(3)] == [pulse] * 3
    assert trio.current_time() == pytest.approx(15)
    await client.end.aclose()


async def test_a_client_that_takes_nothing_of_a_stream_is_cut_off_after_ten_seconds(
    nursery: trio.Nursery, autojump_clock: MockClock
):
    client = Deaf(nursery, lines(*[b"x" * 1000] * 1000, then_wait=True))

    await client.end.send_all(GET)
    await trio.sleep(60)

    assert client.ended_at == pytest.approx(10)


async def test_a_client_that_takes_nothing_of_a_reply_is_cut_off_after_ten_seconds(
    nursery: trio.Nursery, autojump_clock: MockClock
):
    client = Deaf(nursery, Reply(body=b"x" * 1_000_000))

    await client.end.send_all(GET)
    await trio.sleep(60)

    assert client.ended_at == pytest.approx(10)


async def test_a_slow_reader_of_a_long_reply_is_served_as_long_as_it_reads(
    nursery: trio.Nursery, autojump_clock: MockClock
):
    client, got = Deaf(nursery, Reply(body=b"x" * 1_000_000)), 0
    await client.end.send_all(GET)

    while got < 1_000_000:
        await trio.sleep(8)
        piece = await client.end.receive_some(128 * 1024)
        assert piece, "it was cut off"
        got += len(piece)

    assert trio.current_time() > 100
    await client.end.aclose()


async def test_a_stream_ends_at_once_when_its_client_goes_away(
    nursery: trio.Nursery, autojump_clock: MockClock
):
    client = Connected(nursery, lines(b"1", then_wait=True))
    await client.end.send_all(GET)
    await client.end.receive_some()
    await trio.sleep(3)

    await client.end.aclose()
    await trio.testing.wait_all_tasks_blocked()

    assert client.ended_at == pytest.approx(3)


async def test_an_answer_that_takes_long_is_dropped_when_its_client_goes_away(
    nursery: trio.Nursery, autojump_clock: MockClock
):
    class Slow(Connected):
        async def answer(self, request: Request) -> Reply | Stream:
            await trio.sleep(3600)
            return OK

    client = Slow(nursery, OK)
    await client.end.send_all(GET)
    await trio.sleep(3)

    await client.end.aclose()
    await trio.testing.wait_all_tasks_blocked()

    assert client.ended_at == pytest.approx(3)


async def test_a_client_that_talks_on_while_it_is_answered_gets_both_answers(
    nursery: trio.Nursery, autojump_clock: MockClock
):
    class Slow(Connected):
        async def answer(self, request: Request) -> Reply | Stream:
            await trio.sleep(1)
            return OK

    client = Slow(nursery, OK)
    await client.end.send_all(GET)
    await trio.sleep(0.5)
    await client.end.send_all(GET)
    await trio.sleep(5)

    assert len(client.requests) == 2
    await client.end.aclose()


def head(size: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size


@pytest.mark.parametrize(
    "large",
    [head(100_000), b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"],
    ids=["length", "chunked"],
)
async def test_large_bodies_wait_for_a_place_and_small_ones_do_not(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, large: bytes
):
    room = trio.CapacityLimiter(1)
    holder, second, small = (Connected(nursery, OK, room=room) for _ in range(3))
    await holder.end.send_all(large)  # the rest of its body never comes
    await trio.testing.wait_all_tasks_blocked()

    await second.end.send_all(head(100_000) + bytes(100_000))
    await small.end.send_all(head(3) + b"yes")
    await trio.testing.wait_all_tasks_blocked()

    assert [each.body for each in small.requests] == [b"yes"]
    assert second.requests == []
    await holder.end.aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert [len(each.body) for each in second.requests] == [100_000]

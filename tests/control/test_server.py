"""The control API on a real socket, and clients that mean no good."""

import array
import errno
import json
import os
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import pytest
import trio
import trio.lowlevel

from oxtrio.config import values
from oxtrio.control.exchange import Bounds
from oxtrio.control.handlers import ordering
from oxtrio.control.messages import write_request
from oxtrio.control.server import ControlServer
from oxtrio.errors import ConfigError, NotFound, OxtrioError, Refused, SpawnFailed, TimedOut
from oxtrio.model.order import Order, Step, Verb
from oxtrio.model.state import State
from oxtrio.system import unixsocket
from tests.control.fakes import Bugs, FakeSteered, a_line, an_event, an_instance, served

HASTY = Bounds(head=0.2, body=0.2, send=0.2, pulse=0.1)
ORDER = b'{"verb":"stop","names":["api"]}'


@pytest.fixture
def fake() -> FakeSteered:
    return FakeSteered("api:0", "api:1", "worker")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "s")


@asynccontextmanager
async def serving(
    fake: FakeSteered, path: str, bounds: Bounds = HASTY
) -> AsyncIterator[tuple[ControlServer, Bugs]]:
    """Serve, within a bound; afterwards nothing must have been reported or left over."""
    before = len(os.listdir("/proc/self/fd"))
    with trio.fail_after(20):
        async with served(fake, path, bounds) as (server, bugs):
            yield server, bugs
            assert await get(path, "/healthz") == (200, {"status": "ok"})
    assert len(os.listdir("/proc/self/fd")) == before


async def read_all(stream: trio.SocketStream) -> bytes:
    got = b""
    try:
        async for piece in stream:
            got += piece
    except trio.BrokenResourceError:
        pass  # it was cut off
    return got


async def talk(path: str, said: bytes, *, half_close: bool = False) -> bytes:
    """Everything that is answered to *said*, until the server closes."""
    async with await trio.open_unix_socket(path) as stream:
        try:
            await stream.send_all(said)
            if half_close:
                await stream.send_eof()
        except trio.BrokenResourceError:
            pass  # it was cut off before it had said all
        return await read_all(stream)


def request(method: str, target: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


async def get(path: str, target: str) -> tuple[int, object]:
    return parse(await talk(path, request("GET", target)))


async def post(path: str, target: str, body: bytes = b"", *headers: str) -> tuple[int, object]:
    return parse(await talk(path, request("POST", target, body, *headers)))


def parse(answer: bytes) -> tuple[int, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def stream_lines(answer: bytes) -> list[dict]:
    """The lines of a chunked stream, which must have come to its end."""
    _, _, rest = answer.partition(b"\r\n\r\n")
    body = b""
    while length := int((head := rest.partition(b"\r\n"))[0], 16):
        body += head[2][:length]
        rest = head[2][length + 2 :]
    return [json.loads(line) for line in body.splitlines() if line]


# What is answered


async def test_status_is_an_array_of_instances(fake: FakeSteered, path: str):
    async with serving(fake, path):
        code, everything = await get(path, "/v1/status")
        _, one = await get(path, "/v1/status?name=worker&name=api:1&fresh=1")

    assert code == 200
    assert [row["name"] for row in everything] == ["api:0", "api:1", "worker"]
    assert [row["name"] for row in one] == ["api:1", "worker"]
    assert fake.measured == 1


async def test_an_app_has_its_instances(fake: FakeSteered, path: str):
    async with serving(fake, path):
        code, app = await get(path, "/v1/apps/api")

    assert (code, app["name"]) == (200, "api")
    assert [row["instance"] for row in app["instances"]] == [0, 1]


async def test_a_project_is_ready_when_all_that_is_wanted_is_up(fake: FakeSteered, path: str):
    done = an_instance("migrate", status=State.EXITED)
    off = an_instance("debug", status=State.STOPPED, wanted=False)
    fake.instances += [done, off]
    async with serving(fake, path):
        assert await get(path, "/readyz") == (200, {"ready": True, "unready": []})
        fake.instances.append(an_instance("web", status=State.BACKOFF, reason="exit code 1"))
        code, not_ready = await get(path, "/readyz")

    assert code == 503
    assert not_ready["unready"] == [{"name": "web", "status": "backoff", "reason": "exit code 1"}]


async def test_a_project_that_is_being_stopped_is_not_ready_but_answers(
    fake: FakeSteered, path: str
):
    async with serving(fake, path):
        code, supervisor = await post(path, "/v1/supervisor/shutdown", b'{"kill":true}')
        readiness, _ = await get(path, "/readyz")
        status, _ = await get(path, "/v1/status")

    assert (code, supervisor["stopping"], fake.shutdowns) == (202, True, [True])
    assert (readiness, status) == (503, 200)


async def test_an_order_tells_its_steps_and_then_reports(fake: FakeSteered, path: str):
    async with serving(fake, path):
        lines = stream_lines(await talk(path, request("POST", "/v1/orders", ORDER)))

    assert [next(iter(line)) for line in lines] == ["step", "step", "report"]
    assert lines[0]["step"]["state"] == "starting"
    assert lines[2]["report"]["ok"] is True
    assert [order.names for order in fake.orders] == [("api",)]


async def test_an_order_for_one_app_is_one_reply_unless_a_stream_is_accepted(
    fake: FakeSteered, path: str
):
    ndjson = "Accept: application/x-ndjson"
    async with serving(fake, path):
        _, report = await post(path, "/v1/apps/api/signal", b'{"signal":"SIGHUP"}')
        streamed = await talk(path, request("POST", "/v1/apps/api/restart", b"", ndjson))

    assert report["ok"] is True
    assert len(stream_lines(streamed)) == 3
    assert [(one.verb, one.signal) for one in fake.orders] == [
        ("signal", "SIGHUP"),
        ("restart", ""),
    ]


@pytest.mark.parametrize("verb", ["drain", "resume", "pause"])
async def test_an_app_is_taken_out_of_service_and_back(fake: FakeSteered, path: str, verb: str):
    async with serving(fake, path):
        code, report = await post(path, f"/v1/apps/api%3A0/{verb}", b'{"wait":false}')

    assert (code, report["ok"]) == (200, True)
    assert fake.orders == [Order(verb=Verb(verb), names=("api:0",), wait=False)]


async def test_an_app_is_scaled(fake: FakeSteered, path: str):
    order = Order(verb=Verb.SCALE, names=("api",), instances=4)
    async with serving(fake, path):
        await post(path, "/v1/apps/api/scale", b'{"instances":4}')
        await talk(path, request("POST", "/v1/orders", write_request(order)))

    assert fake.orders == [order, order]


@pytest.mark.parametrize(
    ("target", "body", "complaint"),
    [
        ("/v1/apps/api/scale", b"", "scale needs instances, a number from 1 to 10000"),
        ("/v1/apps/api/scale", b'{"instances":0}', "scale needs instances, a number from 1"),
        ("/v1/apps/api/scale", b'{"instances":10001}', "scale needs instances, a number from 1"),
        ("/v1/apps/api/scale", b'{"instances":"4"}', "instances must be an integer"),
        ("/v1/orders", b'{"verb":"scale","instances":2}', "scale needs the name of exactly one"),
        (
            "/v1/orders",
            b'{"verb":"scale","instances":2,"names":["a","b"]}',
            "scale needs the name of exactly one app",
        ),
    ],
)
async def test_scaling_that_nobody_could_mean_is_refused(
    fake: FakeSteered, path: str, target: str, body: bytes, complaint: str
):
    async with serving(fake, path):
        code, reply = await post(path, target, body)

    assert code == 400
    assert complaint in reply["error"]["message"]
    assert fake.orders == []


def test_the_api_takes_as_many_instances_as_an_oxfile():
    assert ordering.MOST_INSTANCES == values.MOST_INSTANCES


async def test_steps_are_server_sent_events_for_who_asks(fake: FakeSteered, path: str):
    accept = "Accept: text/event-stream"
    async with serving(fake, path):
        answer = await talk(path, request("POST", "/v1/orders", ORDER, accept))

    assert b"content-type: text/event-stream" in answer
    assert b'event: report\ndata: {"report":{"ok":true,' in answer


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("no app"), 404),
        (ConfigError("broken oxfile"), 400),
        (Refused("not yours"), 403),
        (TimedOut("too slow"), 504),
        (SpawnFailed("no such program"), 409),
        (OxtrioError("it failed"), 409),
    ],
    ids=lambda value: str(value),
)
async def test_an_error_has_a_status_and_says_the_same_in_a_stream(
    fake: FakeSteered, path: str, error: OxtrioError, status: int
):
    async with serving(fake, path) as (_, bugs):
        fake.error = error
        code, reply = await post(path, "/v1/apps/api/start")
        fake.error = error
        [line] = stream_lines(await talk(path, request("POST", "/v1/orders", ORDER)))

    assert code == status
    assert reply == line
    assert reply["error"]["kind"] == type(error).__name__
    assert reply["error"]["exit_code"] == error.exit_code
    assert bugs == []


async def test_a_bug_costs_one_request_and_is_reported_once(fake: FakeSteered, path: str):
    async with serving(fake, path) as (_, bugs):
        fake.error = ZeroDivisionError("secret")
        code, reply = await get(path, "/v1/status")
        fake.error = ZeroDivisionError("secret")
        [line] = stream_lines(await talk(path, request("POST", "/v1/orders", ORDER)))

    assert (code, reply["error"]["message"]) == (500, "internal error")
    assert line == reply
    assert len(bugs) == 2
    assert bugs[0] == ("control socket: GET /v1/status failed: ZeroDivisionError('secret')")


async def test_a_wrong_request_is_answered_with_what_is_wrong(fake: FakeSteered, path: str):
    async with serving(fake, path) as (_, bugs):
        for target, body, complaint in (
            ("/v1/orders", b'{"verb":"stop","nmes":[]}', "order has no field 'nmes'"),
            ("/v1/orders", b"", "order lacks the field 'verb'"),
            ("/v1/orders", b'{"verb":"wait","timeout":-1}', "timeout must not be negative"),
            ("/v1/orders?verb=stop", ORDER, "unknown query parameter 'verb'"),
            ("/v1/apps/api/stop", b'{"names":["all"]}', "oneorder has no field 'names'"),
        ):
            code, reply = await post(path, target, body)
            assert (code, reply["error"]["message"]) == (400, complaint)

    assert (fake.orders, bugs) == ([], [])


async def test_head_and_unknown_routes_are_answered(fake: FakeSteered, path: str):
    async with serving(fake, path):
        head = await talk(path, request("HEAD", "/healthz"))
        events = await talk(path, request("HEAD", "/v1/events?follow=1"))
        unknown, _ = await post(path, "/v1/apps/api/explode", b"{}")

    assert head.startswith(b"HTTP/1.1 200 OK")
    assert head.endswith(b"\r\n\r\n")
    assert events.startswith(b"HTTP/1.1 200 OK")
    assert unknown == 404


# Streams


async def test_logs_come_with_their_history_and_then_as_they_are_written(
    fake: FakeSteered, path: str
):
    fake.write(a_line(b"old"))
    async with serving(fake, path), await trio.open_unix_socket(path) as stream:
        await stream.send_all(request("GET", "/v1/logs?follow=1&lines=all&name=api"))
        await until(stream, b'"text":"old"')
        fake.write(a_line(b"new"))
        await until(stream, b'"text":"new"')
        fake.end_logs()
        rest = await read_all(stream)

    assert rest.endswith(b"0\r\n\r\n")
    assert (fake.queries[0].lines, fake.queries[0].names) == (None, ("api",))


async def test_logs_of_nobody_are_an_ordinary_error(fake: FakeSteered, path: str):
    async with serving(fake, path):
        code, reply = await get(path, "/v1/logs?name=nope&follow=1")

    assert (code, reply["error"]["kind"]) == (404, "NotFound")


async def test_each_event_comes_once_and_in_order(fake: FakeSteered, path: str):
    fake.history = [an_event(seq) for seq in range(5)]
    async with serving(fake, path), await trio.open_unix_socket(path) as stream:
        await stream.send_all(request("GET", "/v1/events?follow=1&since=2"))
        got = await until(stream, b'"seq":4')
        fake.happen(an_event(5))
        got += await until(stream, b'"seq":5')
        _, history = await get(path, "/v1/events?last=2")

    assert re.findall(rb'"seq":(\d+)', got) == [b"3", b"4", b"5"]
    assert [event["seq"] for event in history] == [4, 5]


async def test_a_browser_goes_on_where_its_connection_broke(fake: FakeSteered, path: str):
    fake.history = [an_event(seq) for seq in range(5)]
    headers = ("Accept: text/event-stream", "Last-Event-ID: 3")
    async with serving(fake, path), await trio.open_unix_socket(path) as stream:
        await stream.send_all(request("GET", "/v1/events?follow=1", b"", *headers))
        got = await until(stream, b"\n\n")

    assert b"event: event\nid: 4\ndata: {" in got
    assert b'"seq":3' not in got


async def test_a_reader_of_events_that_falls_behind_is_told_where_to_go_on(
    fake: FakeSteered, path: str
):
    async with serving(fake, path), await trio.open_unix_socket(path) as stream:
        await stream.send_all(request("GET", "/v1/events?follow=1"))
        await until(stream, b"\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked()
        for seq in range(20):
            fake.happen(an_event(seq))
        *events, last = stream_lines(b"\r\n\r\n" + await read_all(stream))

    assert last["error"]["message"] == "cut off: this reader fell behind"
    assert last["error"]["hint"].endswith(f"&since={events[-1]['seq']}")
    assert [event["seq"] for event in events] == list(range(len(events)))


async def test_a_quiet_stream_says_that_it_lives(fake: FakeSteered, path: str):
    async with serving(fake, path), await trio.open_unix_socket(path) as stream:
        await stream.send_all(request("GET", "/v1/logs?follow=1"))
        await until(stream, b"1\r\n\n\r\n1\r\n\n\r\n")


async def test_a_stream_whose_client_goes_away_ends_at_once(fake: FakeSteered, path: str):
    async with serving(fake, path, Bounds()) as (_, bugs):
        for target in ("/v1/logs?follow=1", "/v1/events?follow=1"):
            for _ in range(20):
                async with await trio.open_unix_socket(path) as stream:
                    await stream.send_all(request("GET", target))
                    await until(stream, b"\r\n\r\n")
                    await wait_for(lambda: fake.followers == 1)
                await wait_for(lambda: fake.followers == 0)

    assert bugs == []


async def test_a_half_closed_follower_is_served_until_it_is_gone(fake: FakeSteered, path: str):
    async with serving(fake, path):
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(request("GET", "/v1/logs?follow=1"))
            await stream.send_eof()
            await until(stream, b"\r\n\r\n")
            fake.write(a_line(b"still here"))
            await until(stream, b"still here")
        await wait_for(lambda: fake.followers == 0)


async def test_a_follower_that_does_not_read_is_cut_off_and_slows_nobody(
    fake: FakeSteered, path: str
):
    async with serving(fake, path) as (_, bugs), await trio.open_unix_socket(path) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await deaf.send_all(request("GET", "/v1/logs?follow=1"))
        await wait_for(lambda: fake.followers == 1)
        for _ in range(5000):
            fake.write(a_line(b"x" * 1000))
        assert (await get(path, "/v1/status"))[0] == 200
        await wait_for(lambda: fake.followers == 0)

    assert bugs == []


async def test_an_operation_goes_on_when_its_client_is_gone(fake: FakeSteered, path: str):
    fake.patience = 0.2
    for target in ("/v1/orders", "/v1/apps/api/stop"):
        body = ORDER if target == "/v1/orders" else b""
        fake.finished.clear()
        async with serving(fake, path) as (_, bugs):
            async with await trio.open_unix_socket(path) as stream:
                await stream.send_all(request("POST", target, body))
                await wait_for(lambda: bool(fake.orders))
            await wait_for(lambda: bool(fake.finished))
        assert bugs == []


async def test_an_order_is_carried_out_although_its_sender_left_at_once(
    fake: FakeSteered, path: str
):
    async with serving(fake, path):
        for _ in range(20):
            async with await trio.open_unix_socket(path) as stream:
                await stream.send_all(request("POST", "/v1/orders", ORDER))
        await wait_for(lambda: len(fake.finished) == 20)


# The end


async def test_the_last_reply_goes_out_before_the_server_ends(fake: FakeSteered, path: str):
    fake.patience = 0.1
    answer = b""

    async def stop() -> None:
        nonlocal answer
        answer = await talk(path, request("POST", "/v1/orders", b'{"verb":"stop"}'))

    async with serving(fake, path) as (server, _), trio.open_nursery() as clients:
        clients.start_soon(stop)
        await wait_for(lambda: bool(fake.orders))
        await server.finish()
        assert fake.finished

    assert answer.endswith(b"0\r\n\r\n")


async def test_followers_are_let_go_in_order_at_the_end(fake: FakeSteered, path: str):
    async with (
        serving(fake, path, Bounds()) as (server, _),
        await trio.open_unix_socket(path) as stream,
    ):
        await stream.send_all(request("GET", "/v1/logs?follow=1"))
        await wait_for(lambda: fake.followers == 1)
        fake.write(a_line(b"last words"))
        await trio.testing.wait_all_tasks_blocked()
        await server.finish()
        got = await read_all(stream)

    assert b"last words" in got
    assert got.endswith(b"0\r\n\r\n")


async def test_a_server_without_clients_is_finished_at_once(fake: FakeSteered, path: str):
    async with serving(fake, path) as (server, _), await trio.open_unix_socket(path):
        await trio.testing.wait_all_tasks_blocked()
        await server.finish()


# Clients that mean no good


PING = b'{"type": "ping"}'

ABUSE = {
    "partial": PING[:4],
    "huge": b"A" * (4 << 20),
    "badjson": b"{not json}\n",
    "deep": b"[" * 100_000 + b"]" * 100_000 + b"\n",
    "zeros": b"\0" * 4096 + b"\n",
    "nul": b'{"type":"status","target":"a\\u0000b"}\n',
    "utf16": PING.decode().encode("utf-16") + b"\n",
    "dupkeys": b'{"type":"ping","type":"shutdown"}\n',
    "bigint": b'{"type":"ping","x":' + b"9" * 5000 + b"}\n",
    "nan": b'{"type":"ping","x":NaN}\n',
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
}


@pytest.mark.parametrize("half_close", [False, True], ids=["open", "halfclose"])
@pytest.mark.parametrize("said", ABUSE.values(), ids=ABUSE)
async def test_nonsense_costs_only_its_own_connection(
    fake: FakeSteered, path: str, said: bytes, half_close: bool
):
    async with serving(fake, path) as (_, bugs):
        code, reply = parse(await talk(path, said, half_close=half_close))

    assert code in (400, 408, 431)
    assert reply["error"]["kind"] == "ProtocolError"
    assert (fake.orders, bugs) == ([], [])


@pytest.mark.parametrize("said", [ABUSE["deep"], ABUSE["nan"], ABUSE["dupkeys"], ABUSE["utf16"]])
async def test_nonsense_as_the_body_of_an_order_is_refused(
    fake: FakeSteered, path: str, said: bytes
):
    async with serving(fake, path) as (_, bugs):
        code, _ = await post(path, "/v1/orders", said)

    assert (code, fake.orders, bugs) == (400, [], [])


async def test_a_body_beyond_the_bound_is_refused_before_it_is_read(fake: FakeSteered, path: str):
    async with serving(fake, path) as (_, bugs):
        code, _ = await post(path, "/v1/orders", b"A" * (8 << 20))

    assert (code, bugs) == (413, [])


async def test_slow_talkers_are_dropped_and_hold_nobody_up(fake: FakeSteered, path: str):
    async def be_slow(dropped: list[float]) -> None:
        began = trio.current_time()
        async with await trio.open_unix_socket(path) as stream:
            with pytest.raises(trio.BrokenResourceError):
                await drip(stream, 0.01)
        dropped.append(trio.current_time() - began)

    dropped: list[float] = []
    async with serving(fake, path) as (_, bugs), trio.open_nursery() as clients:
        for _ in range(50):
            clients.start_soon(be_slow, dropped)
        assert (await get(path, "/v1/status"))[0] == 200

    assert len(dropped) == 50
    assert bugs == []


async def test_a_thousand_clients_that_say_nothing_keep_nobody_out(fake: FakeSteered, path: str):
    silent = []
    patient = Bounds(connections=64)
    async with serving(fake, path, patient) as (_, bugs):
        for _ in range(1000):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            silent.append(client)
            client.connect(path)
        code, _ = await get(path, "/v1/status")
        for client in silent:
            client.close()

    assert (code, bugs) == (200, [])


async def test_a_thousand_requests_at_once_are_all_answered(fake: FakeSteered, path: str):
    codes = []

    async def ask() -> None:
        codes.append((await get(path, "/v1/status"))[0])

    async with serving(fake, path, Bounds(connections=32)), trio.open_nursery() as clients:
        for _ in range(10):
            for _ in range(100):
                clients.start_soon(ask)
            await wait_for(lambda: len(codes) % 100 == 0)

    assert codes == [200] * 1000


async def test_unwanted_descriptors_are_not_kept(fake: FakeSteered, path: str):
    rights = array.array("i", [0, 1, 2] * 80)
    async with serving(fake, path) as (_, bugs):
        for _ in range(5):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                for _ in range(20):
                    client.sendmsg([b" "], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                await trio.lowlevel.checkpoint()

    assert bugs == []


@pytest.mark.parametrize(
    "name",
    ["__class__", "..%2F..%2Fx", "supervisor.options.execve", "$(id)", "%60id%60", "", "all",
     "%D0%B0pi", "a%00b", "-rf", "x" * 10_000, "x" * 300_000],
)  # fmt: skip
async def test_a_strange_name_is_nobodys(fake: FakeSteered, path: str, name: str):
    async with serving(fake, path) as (_, bugs):
        code, reply = await get(path, f"/v1/apps/{name}")
        await get(path, f"/v1/why/{name}")
        await post(path, f"/v1/apps/{name}/{name}")

    assert code == (431 if len(name) > 100_000 else 404)
    assert (len(reply["error"]["message"]) < 20_000, bugs) == (True, [])


async def test_a_reply_larger_than_any_buffer_arrives_whole(fake: FakeSteered, path: str):
    fake.instances = [an_instance(f"api:{number}") for number in range(2000)]
    async with serving(fake, path):
        _, rows = await get(path, "/v1/status")

    assert len(rows) == 2000


async def test_too_many_followers_are_told_so_and_orders_still_work(fake: FakeSteered, path: str):
    bounds = Bounds(followers=2)
    async with serving(fake, path, bounds), trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(talk, path, request("GET", "/v1/logs?follow=1"))
        await wait_for(lambda: fake.followers == 2)
        code, reply = await get(path, "/v1/events?follow=1")
        report, _ = await post(path, "/v1/apps/api/stop")
        nursery.cancel_scope.cancel()

    assert (code, reply["error"]["kind"]) == (503, "Overloaded")
    assert report == 200


async def test_too_many_orders_are_told_so_and_status_still_works(fake: FakeSteered, path: str):
    fake.patience = 3600
    async with serving(fake, path, Bounds(orders=1)), trio.open_nursery() as nursery:
        nursery.start_soon(talk, path, request("POST", "/v1/apps/api/stop"))
        await wait_for(lambda: len(fake.orders) == 1)
        codes = [(await post(path, "/v1/apps/api/stop"))[0], (await get(path, "/v1/status"))[0]]
        nursery.cancel_scope.cancel()

    assert codes == [503, 200]


async def test_a_stranger_does_not_get_one_byte(
    fake: FakeSteered, path: str, monkeypatch: pytest.MonkeyPatch
):
    async with serving(fake, path) as (_, bugs):
        with monkeypatch.context() as patch:
            patch.setattr(unixsocket, "peer_of", lambda sock: unixsocket.Peer(1, 65534))
            answer = await talk(path, request("GET", "/healthz"))

    assert (answer, bugs) == (b"", [])


async def test_running_out_of_descriptors_pauses_the_server_and_is_reported_once(
    fake: FakeSteered, path: str, monkeypatch: pytest.MonkeyPatch
):
    accept, failures = trio.SocketListener.accept, [errno.EMFILE] * 3

    async def fail(listener: trio.SocketListener) -> trio.SocketStream:
        if failures:
            raise OSError(failures.pop(), "Too many open files")
        return await accept(listener)

    monkeypatch.setattr(trio.SocketListener, "accept", fail)
    async with serving(fake, path) as (_, bugs):
        assert (await get(path, "/v1/status"))[0] == 200

    assert len(bugs) == 1
    assert "cannot accept clients for now" in bugs[0]


async def test_a_slow_order_with_many_steps_does_not_lose_its_report(fake: FakeSteered, path: str):
    fake.steps = [Step(name=f"app-{number}", state="running") for number in range(50_000)]
    async with serving(fake, path):
        lines = stream_lines(await talk(path, request("POST", "/v1/orders", ORDER)))

    assert "report" in lines[-1]
    assert len(lines) > 5000


async def until(stream: trio.SocketStream, wanted: bytes) -> bytes:
    """What arrives up to and including *wanted*, and perhaps more."""
    got = b""
    while wanted not in got:
        piece = await stream.receive_some()
        assert piece, f"it ended before {wanted!r} came: {got!r}"
        got += piece
    return got


async def wait_for(condition: Callable[[], bool]) -> None:
    """Return when *condition* holds; `serving` bounds it."""
    while not condition():  # noqa: ASYNC110 - the condition is a plain attribute of a fake
        await trio.sleep(0.005)


async def drip(stream: trio.SocketStream, pause: float) -> NoReturn:
    """Say one byte after the other, until the server has enough of it."""
    while True:
        await stream.send_all(b"G")
        await trio.sleep(pause)

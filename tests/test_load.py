"""The load generator sees every failure, as what it is, and no other: each by a server that has it.

A load generator that cannot see a failure proves nothing.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from benchmarks.failure import Failed
from benchmarks.load import Load, LoadSpec, start
from benchmarks.outcome import Outcome
from tests.e2e.processes import alive, eventually
from tests.servers import (
    BODY,
    Behaviour,
    Server,
    answer,
    hangs,
    leaves,
    resets,
    resets_within,
    says,
    server,
    well,
)

pytestmark = pytest.mark.slow


def outcome(*behaviours: Behaviour, answers: int = 20, **asked: object) -> Outcome:
    """What the load generator says of such a server, one request at a time."""
    with server(*behaviours) as (_, address):
        spec = LoadSpec(address, **{"concurrency": 1, **asked})  # type: ignore[arg-type]
        with start(spec) as load:
            load.wait_answers(answers)
            return load.stop().whole


def test_right_answers_are_counted_by_who_gave_them():
    other = answer(b'{"release": "2", "pid": 7}')

    found = outcome(says(other), says(other))

    assert found.failed == {}
    assert found.releases["2"] == 2
    assert found.answered_by["1/4242"] == found.ok - 2
    assert 0 < found.p50 <= found.p99 <= found.longest


def test_a_connection_that_is_refused_is_refused():
    with server(later=True) as (served, address), start(LoadSpec(address)) as load:
        eventually(lambda: load.so_far()[1] >= 20, "20 failures")
        moment = time.monotonic()
        served.serve()
        load.wait_answers(20)
        record = load.stop()

    assert set(record.whole.failed) == {"refused"}
    assert record.whole.failures >= 20
    assert record.whole.gap >= moment - record.began
    assert "ConnectionRefused" in record.first["refused"]


def test_a_unix_socket_that_is_not_there_is_refused(tmp_path: Path):
    with start(LoadSpec(f"unix:{tmp_path}/s")) as load:
        eventually(lambda: load.so_far()[1] >= 20, "20 failures")
        assert set(load.stop().whole.failed) == {"refused"}


FAILURES = {
    "reset": resets,
    "closed": leaves,
    "bad status": says(answer(status="503 Service Unavailable")),
    "wrong content": says(answer(b'{"release": "1"}')),
}


@pytest.mark.parametrize("keep_alive", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("kind", FAILURES)
def test_what_goes_wrong_is_counted_as_what_it_is(kind: str, keep_alive: bool):
    bad = FAILURES[kind]

    found = outcome(bad, well, bad, bad, keep_alive=keep_alive)

    # Kept, the second connection lasts.
    assert found.failed == {kind: 1 if keep_alive else 3}
    assert found.raced_close == 0


@pytest.mark.parametrize(
    "bad",
    [
        says(answer()[:-1]),
        says(answer()[:30]),
        says(b"H"),
        resets_within,
    ],
    ids=["body", "head", "first byte", "reset"],
)
def test_an_answer_that_ends_too_early_is_truncated(bad: Behaviour):
    assert outcome(bad).failed == {"truncated": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        answer(b"a page of an error"),
        answer(b"[]"),
        answer() + b"more than was said",
        answer() + answer(),
        b"HTTP/1.1 200 OK\r\n\r\n" + BODY[:-1],
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_an_answer_of_somebody_else_is_wrong(wrong: bytes):
    assert outcome(says(wrong)).failed == {"wrong content": 1}


def test_what_is_no_http_is_a_bad_status():
    assert outcome(says(b"220 mail.example.org ESMTP\r\n\r\n")).failed == {"bad status": 1}


def test_an_answer_may_end_with_its_connection():
    assert outcome(says(b"HTTP/1.0 200 OK\r\n\r\n" + BODY)).failed == {}


@pytest.mark.parametrize("keep_alive", [False, True], ids=["new", "kept"])
def test_a_server_that_hangs_is_given_up(keep_alive: bool):
    found = outcome(hangs, hangs, patience=0.3, keep_alive=keep_alive)

    assert found.failed == {"timeout": 2}


def test_a_request_under_way_at_the_end_still_counts():
    with server(well, hangs) as (served, address):
        spec = LoadSpec(address, concurrency=1, patience=0.5)
        with start(spec) as load:
            eventually(lambda: served.connections == 2, "the second request")
            found = load.stop().whole

    assert (found.ok, found.failed) == (1, {"timeout": 1})


def test_a_kept_connection_is_kept():
    with server() as (served, address), start(LoadSpec(address, keep_alive=True)) as load:
        load.wait_answers(100)
        record = load.stop()

    assert served.connections == record.connections == 8
    assert record.whole.failed == {}
    assert record.whole.dropped_idle == record.whole.raced_close == 0


def test_a_server_that_says_that_it_closes_has_dropped_nothing():
    found = outcome(*[says(answer(head="Connection: Close\r\n"))] * 3, keep_alive=True)

    assert (found.failed, found.dropped_idle, found.raced_close) == ({}, 0, 0)


def test_a_kept_connection_that_is_closed_while_idle_is_no_failure():
    found = outcome(says(answer()), says(answer()), keep_alive=True, pause=0.1, answers=4)

    assert (found.failed, found.dropped_idle, found.raced_close) == ({}, 2, 0)


@pytest.mark.parametrize("end", [leaves, resets])
def test_a_request_that_meets_the_close_of_a_kept_connection_is_counted_apart(end: Behaviour):
    def behave(connection: socket.socket) -> None:
        says(answer(), answer())(connection)
        end(connection)

    found = outcome(behave, behave, keep_alive=True)

    assert (found.failed, found.dropped_idle, found.raced_close) == ({}, 0, 2)


def test_the_first_request_of_a_connection_that_could_be_kept_meets_no_such_close():
    assert outcome(leaves, keep_alive=True).failed == {"closed": 1}


@pytest.mark.parametrize("keep_alive", [False, True], ids=["new", "kept"])
def test_unix_sockets_are_driven_alike(tmp_path: Path, keep_alive: bool):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    served = Server(listener, (resets, leaves, says(answer()[:-1])))
    served.serve()
    try:
        spec = LoadSpec(f"unix:{tmp_path}/s", concurrency=16, keep_alive=keep_alive)
        with start(spec) as load:
            load.wait_answers(100)
            found = load.stop().whole
    finally:
        served.end()

    # A Unix socket has no reset of its own, so it ends in the one way that there is.
    assert found.failed == {"closed": 2, "truncated": 1}


def test_ipv6_is_driven_alike():
    listener = socket.socket(socket.AF_INET6)
    try:
        listener.bind(("::1", 0))
    except OSError:
        listener.close()
        pytest.skip("no IPv6 here")
    served = Server(listener, (leaves,))
    served.serve()
    try:
        with start(LoadSpec(f"[::1]:{listener.getsockname()[1]}", concurrency=1)) as load:
            load.wait_answers(5)
            assert load.stop().whole.failed == {"closed": 1}
    finally:
        served.end()


def test_a_stretch_of_time_has_its_own_outcome():
    with server(leaves) as (_, address), start(LoadSpec(address, concurrency=1)) as load:
        load.wait_answers(5)
        middle = time.monotonic()
        load.wait_answers(5)
        record = load.stop()

    before, after = record.between(0, middle), record.between(middle, time.monotonic())
    assert before.failed == {"closed": 1}
    assert after.failed == {}
    assert before.ok + after.ok == record.whole.ok
    assert record.first_ok(middle) > middle
    assert json.loads(record.whole.as_json())["failed"] == {"closed": 1}


def test_the_client_is_gone_at_the_end_however_that_comes():
    with server(hangs) as (_, address):
        with suppress(ZeroDivisionError), start(LoadSpec(address)) as load:
            [client] = eventually(lambda: _clients(os.getpid(), address), "its program to begin")
            raise ZeroDivisionError
        assert not alive(client)
        with pytest.raises((Failed, ValueError)):
            load.so_far()


def test_the_client_is_gone_when_who_started_it_was_killed():
    with server() as (served, address):
        code = (
            "import time; from benchmarks.load import *\n"
            f"with start(LoadSpec({address!r})): time.sleep(600)"
        )
        parent = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[1])
        with parent:
            eventually(lambda: served.connections > 10, "the load")
            [client] = eventually(lambda: _clients(parent.pid, address), "its program to begin")
            parent.send_signal(signal.SIGKILL)
        eventually(lambda: not alive(client), "the client to be gone")


def test_an_address_that_is_none_is_not_the_fault_of_a_server():
    with start(LoadSpec("not-an-address.invalid:80")) as load, pytest.raises(Failed):
        load.wait_answers(1)


@pytest.mark.parametrize("concurrency", [0, 17])
def test_the_load_is_bounded(concurrency: int):
    with pytest.raises(ValueError, match="from 1 to 16"):
        Load(LoadSpec("127.0.0.1:1", concurrency=concurrency))


def _clients(parent: int, address: str) -> list[int]:
    port = address.rpartition(":")[2]
    children = psutil.Process(parent).children()
    return [child.pid for child in children if port in " ".join(child.cmdline())]

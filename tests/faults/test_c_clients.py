"""Clients of the control socket that talk nonsense, flood it, do not read, or go away."""

import re
import signal
import socket
import threading
from contextlib import ExitStack, suppress
from http.client import HTTPConnection

import pytest

from tests.e2e.kit import FIXTURES, PYTHON, Ox
from tests.e2e.processes import DEADLINE
from tests.faults.invariants import descriptors

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
LINES = 200_000
FOLLOW = b"GET /v1/logs?follow=1&name=noisy HTTP/1.1\r\nHost: x\r\n\r\n"

HOSTILE = {
    "half a request": b"GET /v1/st",
    "more than there may be": b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
    * 9999,
    "no HTTP": b'{"type":"shutdown"}\n\n',
    "deep": b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"
    + b"[" * 200_000,
    "zeros": bytes(100_000),
}


def connected(ox: Ox) -> socket.socket:
    """A client that waits for nothing longer than the deadline."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(DEADLINE)
    client.connect(str(ox.runtime / "control.sock"))
    return client


def memory(ox: Ox) -> int:
    return ox.supervisor().memory_info().rss


def test_c01_to_c05_what_is_no_request_is_refused_while_others_are_answered(ox: Ox):
    ox.up(SLEEPER)
    before = memory(ox)

    for said in HOSTILE.values():
        with connected(ox) as client:
            with suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(said)
                client.shutdown(socket.SHUT_WR)
            assert ox.rows()["a"]["status"] == "running"
            with suppress(ConnectionResetError):  # it did not take all of it
                assert re.match(rb"HTTP/1\.1 4\d\d ", client.recv(1 << 16))

    assert memory(ox) - before < 16 << 20


def test_c06_a_thousand_clients_that_say_nothing_keep_nobody_out(ox: Ox):
    ox.up(SLEEPER)
    before = descriptors(ox.supervisor())
    codes: list[int] = []

    def ask() -> None:
        for _ in range(20):
            with connected(ox) as control:
                client = HTTPConnection("oxtrio")
                client.sock = control
                client.request("GET", "/v1/status")
                with client.getresponse() as answer:
                    answer.read()
                    codes.append(answer.status)

    with ExitStack() as stack:
        for _ in range(1000):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect(str(ox.runtime / "control.sock"))
        asking = [threading.Thread(target=ask) for _ in range(20)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(DEADLINE)
        assert "running" in ox.done("status", "a")
        assert descriptors(ox.supervisor()) < before + 300

    assert codes == [200] * 400


def test_c07_a_follower_that_never_reads_costs_neither_memory_nor_lines(ox: Ox):
    """It is cut off; the app is not slowed, and all of its lines are in the log."""
    ox.up(
        "[processes.noisy]\nstart_secs = 0\nrestart_on_exit = false\ncommand = 'until test -e go;"
        f" do sleep 0.05; done; exec {PYTHON} {FIXTURES}/numbered.py {LINES} 80'\n"
    )
    with connected(ox) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(FOLLOW)
        assert deaf.recv(12) == b"HTTP/1.1 200"
        before = memory(ox)

        (ox.folder / "go").touch()
        ox.becomes("noisy", "exited")

        assert memory(ox) - before < 32 << 20
        told = b""
        with suppress(ConnectionResetError):
            while more := deaf.recv(1 << 20):
                told += more
    numbers = re.findall(rb"(?m)^(\d+) ", (ox.state / "logs" / "noisy.log").read_bytes())
    assert numbers == [b"%d" % number for number in range(LINES)]
    assert told.count(b'"line"') < LINES / 2


def test_c08_followers_that_go_away_leave_nothing_behind(ox: Ox):
    ox.up("[processes.noisy]\ncommand = 'while :; do echo x; sleep 0.01; done'\nstart_secs = 0\n")

    for _ in range(50):
        with connected(ox) as client:
            client.sendall(FOLLOW)
            assert client.recv(100)
    follower = ox.foreground("logs", "-f", "noisy")
    follower.says("x\n")
    follower.signal(signal.SIGKILL)
    assert follower.ends() == -signal.SIGKILL

    assert ox.rows()["noisy"]["status"] == "running"


def test_c09_a_stop_goes_on_when_who_gave_it_is_killed(ox: Ox):
    ox.up(
        f"[processes.a]\ncommand = '{PYTHON} {FIXTURES}/stubborn.py up TERM'\n"
        "stop_timeout_ms = 500\nstart_secs = 0\n"
    )
    ox.content("up")

    client = ox.foreground("stop", "a")
    ox.becomes("a", "stopping")
    client.signal(signal.SIGKILL)

    assert ox.becomes("a", "stopped")["pid"] is None
    assert client.ends() == -signal.SIGKILL

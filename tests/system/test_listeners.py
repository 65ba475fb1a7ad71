"""Who listens."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oxtrio.system import listeners
from oxtrio.system.listeners import owner_of, unix_owner


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("host", [None, "127.0.0.1", "0.0.0.0", "::", "localhost"])
def test_a_listener_is_named(listening: int, host: str | None):
    found = owner_of(listening, host)

    assert found is not None
    assert found.address == f"127.0.0.1:{listening}"
    assert (found.pid, found.uid) == (os.getpid(), os.getuid())
    assert Path(sys.executable).name in found.command
    assert found.name


def test_a_listener_on_another_address_is_not_in_the_way(listening: int):
    assert owner_of(listening, "127.0.0.2") is None


def test_a_listener_on_all_addresses_is_in_the_way_of_each():
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]

        found = owner_of(port, "127.0.0.1")

    assert found is not None
    assert found.address == f"0.0.0.0:{port}"


def test_a_listener_on_ipv6_is_named():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]

        found = owner_of(port, "::1")

    assert found is not None
    assert found.address == f"[::1]:{port}"


def test_a_socket_that_is_bound_but_does_not_listen_is_no_listener():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))

        assert owner_of(bound.getsockname()[1]) is None


def test_a_listener_that_may_not_be_looked_at_is_named_by_its_user(
    listening: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listeners, "all_pids", list)

    found = owner_of(listening)

    assert found is not None
    assert (found.pid, found.uid, found.name) == (None, os.getuid(), "")


INHERITOR = "import sys; print(flush=True); sys.stdin.read()"


@contextmanager
def inheriting(listener: socket.socket, *words: str | bytes) -> Iterator[int]:
    """A process that has *listener* too; yields its pid."""
    with subprocess.Popen(
        [sys.executable, "-c", INHERITOR, *words],
        pass_fds=[listener.fileno()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid


@pytest.mark.slow
def test_of_several_that_share_a_socket_the_oldest_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server, inheriting(server), inheriting(server):
        found = owner_of(server.getsockname()[1])

    assert found is not None
    assert found.pid == os.getpid()


@pytest.mark.slow
def test_a_command_that_is_no_utf_8_can_be_shown():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with inheriting(server, b"caf\xe9", "x" * 10_000) as pid:
            server.close()
            found = owner_of(port)

    assert found is not None
    assert found.pid == pid
    assert " caf\ufffd xxx" in found.command
    assert len(found.command) <= 4096


def test_a_listener_that_has_just_gone_is_named_by_its_number(
    listening: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listeners, "_holder", lambda link: 2**31 - 1)

    found = owner_of(listening)

    assert found is not None
    assert (found.pid, found.uid, found.name) == (2**31 - 1, os.getuid(), "")


def test_an_ipv4_address_behind_ipv6_is_shown_as_one():
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        port = server.getsockname()[1]
        found = owner_of(port, "127.0.0.1")
    assert found is not None
    assert found.address == f"[::]:{port}"

    with socket.socket(socket.AF_INET6) as mapped:
        mapped.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        mapped.bind(("::ffff:127.0.0.1", 0))
        mapped.listen()
        port = mapped.getsockname()[1]
        found = owner_of(port, "127.0.0.1")
    assert found is not None
    assert found.address == f"127.0.0.1:{port}"


def test_the_listener_on_a_unix_socket_is_named(tmp_path: Path):
    path = str(tmp_path / "app sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        assert unix_owner(path) is None
        server.listen()

        found = unix_owner(path)

    assert found is not None
    assert (found.address, found.pid, found.uid) == (path, os.getpid(), os.getuid())
    assert unix_owner(path) is None

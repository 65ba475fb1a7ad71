"""What the kernel tells of connections, by both ways of asking it."""

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio

from oxtrio.system import connections, sock_diag
from oxtrio.system.net_tables import endpoint_of
from tests.system.clients import is_waiting, sockets_stay_as_they_are

__all__ = ["sockets_stay_as_they_are"]


@pytest.fixture(params=["asked", "looked up"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(*args: object) -> Iterator[sock_diag.Connection]:
        raise OSError(93, "Protocol not supported")

    if request.param == "looked up":
        monkeypatch.setattr(sock_diag, "_ask", refuse)
    return str(request.param)


@contextmanager
def listening(host: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        if host == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, 0))
        listener.listen()
        yield listener


@asynccontextmanager
async def connected(listener: socket.socket, client: str) -> AsyncIterator[trio.SocketStream]:
    async with await trio.open_tcp_stream(client, listener.getsockname()[1]) as stream:
        assert is_waiting(listener.fileno(), 10)
        yield stream


BETWEEN = [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1")]


@pytest.mark.parametrize(("host", "client"), BETWEEN)
async def test_a_connection_has_an_inode_from_accept_to_close(way: str, host: str, client: str):
    with listening(host) as listener:
        async with connected(listener, client) as stream:
            assert connections.server_inode(stream) is None
            accepted, _ = listener.accept()
            with accepted:
                inode = os.fstat(accepted.fileno()).st_ino
                assert connections.server_inode(stream) == str(inode)
            assert connections.server_inode(stream) is None
        assert connections.server_inode(stream) is None


@pytest.mark.parametrize(("host", "client"), BETWEEN)
async def test_handshakes_are_told_from_connections(way: str, host: str, client: str):
    with listening(host) as listener:
        port = listener.getsockname()[1]
        async with connected(listener, client):
            assert connections.handshakes(port) == set()
            # The handshake is not over before the client has sent something.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
            with socket.create_connection((client, port)) as slow:
                remote = endpoint_of(slow.getsockname())
                assert connections.handshakes(port) == {remote}
                assert connections.handshakes(port + 1 if port < 65535 else 1) == set()


def test_many_handshakes_are_all_seen(way: str):
    with listening("127.0.0.1") as listener:
        listener.listen(1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
        address = listener.getsockname()
        clients = [socket.create_connection(address) for _ in range(400)]
        try:
            expected = {endpoint_of(client.getsockname()) for client in clients}
            assert connections.handshakes(address[1]) == expected
        finally:
            for client in clients:
                client.close()


def test_who_listens_is_not_taken_for_a_connection():
    with listening("127.0.0.1") as listener:
        assert sock_diag.find(endpoint_of(listener.getsockname()), ("127.0.0.1", 9)) is None


def test_what_the_kernel_does_not_understand_is_an_error():
    with pytest.raises(OSError, match="Invalid argument"):
        list(sock_diag._ask(socket.AF_INET, sock_diag.REQUEST, 0, b""))

"""Small servers that treat their clients badly, each in a way of its own."""

import fcntl
import socket
import struct
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.e2e.processes import eventually

Behaviour = Callable[[socket.socket], None]
BODY = b'{"release": "1", "pid": 4242}'


def answer(body: bytes = BODY, *, status: str = "200 OK", head: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


def heard(connection: socket.socket) -> bool:
    """Read one request; whether there was one."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        said = connection.recv(4096)
        if not said:
            return False
        got += said
    return True


def says(*answers: bytes) -> Behaviour:
    """Give these answers, one for each request, then close."""

    def behave(connection: socket.socket) -> None:
        for each in answers:
            if heard(connection):
                connection.sendall(each)

    return behave


def well(connection: socket.socket) -> None:
    while heard(connection):
        connection.sendall(answer())


def resets(connection: socket.socket) -> None:
    """Hear a request, then have the connection reset by its close."""
    heard(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def resets_within(connection: socket.socket) -> None:
    """Reset it when a part of the answer has been read."""
    heard(connection)
    connection.sendall(answer()[:-1])
    eventually(lambda: not _unread(connection), "the part to be read")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hangs(connection: socket.socket) -> None:
    heard(connection)
    connection.recv(1)


def leaves(connection: socket.socket) -> None:
    heard(connection)


class Server:
    """Treats the first connections as it is told, each in a way of its own, and all others well."""

    def __init__(self, listener: socket.socket, behaviours: tuple[Behaviour, ...]) -> None:
        self.connections = 0
        self._listener = listener
        self._behaviours = behaviours
        self._open: list[tuple[threading.Thread, socket.socket]] = []
        self._accepting = threading.Thread(target=self._accept)

    def serve(self) -> None:
        self._listener.listen(64)
        self._accepting.start()

    def end(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for thread, connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                at, self.connections = self.connections, self.connections + 1
                behave = self._behaviours[at] if at < len(self._behaviours) else well
                thread = threading.Thread(target=self._treat, args=(behave, connection))
                self._open.append((thread, connection))
                thread.start()

    def _treat(self, behave: Behaviour, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            behave(connection)


@contextmanager
def server(*behaviours: Behaviour, later: bool = False) -> Iterator[tuple[Server, str]]:
    """A server and its address; *later*: it does not listen yet, so who connects is refused."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    served = Server(listener, behaviours)
    if not later:
        served.serve()
    try:
        yield served, f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        if later and not served.connections:
            listener.listen()
        served.end()


def _unread(connection: socket.socket) -> int:
    """Bytes that were sent and that the other end's kernel has not acknowledged."""
    return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0])

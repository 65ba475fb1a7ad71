"""Those who listen and those who connect, for the tests of held addresses."""

import os
import random
import select
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from oxtrio.model.spec import ListenSpec

PATIENCE = 20
"""Seconds after which a test fails instead of waiting on."""


def sockets() -> list[str]:
    """The sockets of this process, whatever their numbers."""
    links = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            links.append(os.readlink(f"/proc/self/fd/{number}"))
    return sorted(link for link in links if link.startswith("socket:"))


@pytest.fixture(autouse=True)
def sockets_stay_as_they_are() -> Iterator[None]:
    """Every test of a module that imports this leaves no socket open."""
    before = sockets()
    yield
    assert sockets() == before


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 10
"""Which of the processes that run tests side by side this is: each has ports of its own."""
_given: deque[int] = deque(maxlen=500)
"""Ports that were given to a test before, which may not have bound them yet."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody has on any address, and that no outgoing connection is ever given.

    One of those that the kernel hands out may be taken by a client of another test meanwhile.
    """
    for port in random.sample(range(12_000 + _WORKER * 2_000, 14_000 + _WORKER * 2_000), 200):
        if port in _given:
            continue
        with suppress(OSError), socket.socket() as four, socket.socket(socket.AF_INET6) as six:
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            four.bind(("", port))
            six.bind(("::", port))
            _given.append(port)
            return port
    raise AssertionError("none of 200 ports is free")


def tcp(host: str = "127.0.0.1", **more: object) -> ListenSpec:
    return ListenSpec(host=host, port=free_port(host), **more)  # type: ignore[arg-type]


def at_path(folder: Path, **more: object) -> ListenSpec:
    return ListenSpec(path=str(folder / "app.sock"), **more)  # type: ignore[arg-type]


def connect(listen: ListenSpec, host: str | None = None) -> socket.socket:
    """A blocking client, as a user of the address is one."""
    if listen.path is not None:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(PATIENCE)
        try:
            client.connect(listen.path)
        except OSError:
            client.close()
            raise
        return client
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    target = host or loopback.get(listen.host, listen.host)
    return socket.create_connection((target, listen.port), timeout=PATIENCE)


def is_waiting(descriptor: int, seconds: float = 0) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def arrived(slots: list, seconds: float = PATIENCE) -> list[int]:
    """Which of *slots* have somebody in the queue, once one of them has."""
    poll = select.poll()
    for slot in slots:
        poll.register(slot.fileno(), select.POLLIN)
    poll.poll(seconds * 1000)
    return [number for number, slot in enumerate(slots) if slot.is_waiting()]


def accept(slot) -> socket.socket:
    """What a server does with the socket that it has inherited."""
    assert is_waiting(slot.fileno(), PATIENCE)
    with socket.socket(fileno=os.dup(slot.fileno())) as listener:
        return listener.accept()[0]


class Server(threading.Thread):
    """Answers every connection of one slot with a name, until it is told to end."""

    def __init__(self, slot, name: bytes) -> None:
        super().__init__()
        self.listener = socket.socket(fileno=os.dup(slot.fileno()))
        self.name_sent = name
        self.ending, self._told = os.pipe()

    def run(self) -> None:
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        poll.register(self.ending, select.POLLIN)
        while (ready := [number for number, _ in poll.poll()]) and self.ending not in ready:
            connection, _ = self.listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                connection.recv(1)
                connection.sendall(self.name_sent)

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._told)
        self.join()
        os.close(self.ending)
        self.listener.close()


LOADING = """
import socket, struct, sys, threading
family, address = int(sys.argv[1]), sys.argv[2]
if len(sys.argv) > 3:
    address = (address, int(sys.argv[3]))
ending = threading.Event()
RESET = struct.pack("ii", 1, 0)

def ask():
    while not ending.is_set():
        for _ in range(25):
            with socket.socket(family) as client:
                client.settimeout(20)
                client.connect(address)
                client.sendall(b"?")
                assert client.recv(10)
                # Without TIME_WAIT, of which there would be ten thousands.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        print("25", flush=True)

threads = [threading.Thread(target=ask) for _ in range(4)]
for thread in threads:
    thread.start()
sys.stdin.read()
ending.set()
"""


class Load(subprocess.Popen[bytes]):
    """Four clients, each with a new connection for every question, until the block ends.

    A question without an answer fails the test.
    """

    def __init__(self, listen: ListenSpec) -> None:
        family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        where = [str(int(family)), listen.host, str(listen.port)]
        if listen.path is not None:
            where = [str(int(socket.AF_UNIX)), listen.path]
        super().__init__(
            [sys.executable, "-c", LOADING, *where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def wait_for(self, answers: int) -> None:
        """Return when there were so many more."""
        assert self.stdout is not None
        for _ in range(answers // 25):
            assert self.stdout.readline()

    def __exit__(self, *exc: object) -> None:
        _, failures = self.communicate(timeout=2 * PATIENCE)
        assert failures == b""


ACCEPTING = """
import os, socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
print(flush=True)
sys.stdin.readline()
connection, _ = listener.accept()
connection.sendall(b"%d" % os.getpid())
print(flush=True)
sys.stdin.readline()
"""


class Child(subprocess.Popen[bytes]):
    """A process that has inherited a socket, and accepts one connection when it is told to."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(
            [sys.executable, "-c", ACCEPTING, str(descriptor)],
            pass_fds=[descriptor],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._read()

    def accept(self) -> None:
        assert self.stdin is not None
        self.stdin.write(b"\n")
        self.stdin.flush()

    def accepted(self) -> None:
        self._read()

    def _read(self) -> None:
        assert self.stdout is not None
        self.stdout.readline()

    def __exit__(self, *exc: object) -> None:
        self.kill()
        super().__exit__(*exc)  # type: ignore[arg-type]

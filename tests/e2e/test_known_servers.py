"""The table of known servers, tried with the real ones, and without oxtrio's engine.

Each command of `SERVERS` runs twice, all side by side: by hand, which shows that it listens where
the table says; and with held sockets as the table says, which shows that it takes them over,
binds nothing itself, and leaves them whole when it stops.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from oxtrio.policy.command import argv
from oxtrio.policy.servers import Bound, Takes, server_of
from tests.e2e.processes import DEADLINE, eventually
from tests.e2e.stack import BIN
from tests.system.clients import free_port

pytestmark = pytest.mark.slow

APPS = Path(__file__).parents[1] / "fixtures" / "servers"

SERVERS = {
    "uvicorn": "uvicorn asgi:app --port {port}",
    "uvicorn, any address": "uvicorn asgi:app --host 0.0.0.0 --port {port}",
    "uvicorn, ::": "uvicorn asgi:app --host :: --port {port}",
    "uvicorn, asyncio": "uvicorn asgi:app --port {port} --loop asyncio --http h11",
    "uvicorn, 2 workers": "uvicorn asgi:app --port {port} --workers 2",
    "uvicorn, 2 workers, ::": "uvicorn asgi:app --host :: --port {port} --workers 2",
    "uvicorn, reloading": "uvicorn asgi:app --port {port} --reload",
    "uvicorn, variables": "UVICORN_HOST=0.0.0.0 UVICORN_PORT={port} uvicorn asgi:app",
    "uvicorn, module": "python -m uvicorn asgi:app --port {port}",
    "uvicorn, env": "env A=b uvicorn asgi:app --port {port}",
    "uvicorn, uv": "uv run --no-project --offline uvicorn asgi:app --port {port}",
    "gunicorn": "gunicorn wsgi:app -b 127.0.0.1:{port}",
    "gunicorn, two": "gunicorn wsgi:app -b 127.0.0.1:{port} -b [::1]:{second}",
    "gunicorn, ::": "gunicorn wsgi:app -b [::]:{port}",
    "gunicorn, $PORT": "PORT={port} gunicorn wsgi:app",
    "gunicorn, arguments": "GUNICORN_CMD_ARGS=--bind=:{port} gunicorn wsgi:app",
    "gunicorn, threads": "gunicorn wsgi:app -b :{port} --threads 4",
    "gunicorn, preload": "gunicorn wsgi:app -b :{port} --preload --reload -w 2",
    "gunicorn, uvicorn": "gunicorn asgi:app -b :{port} -k uvicorn_worker.UvicornWorker -w 2",
    "gunicorn, asgi": "gunicorn asgi:app -b :{port} -k asgi",
    "gunicorn, localhost": "gunicorn wsgi:app --bin=localhost:{port}",
    "gunicorn, config": "gunicorn wsgi:app -b 127.0.0.1:{port} -c {apps}/gunicorn_reuse_port.py",
    "gunicorn, module": "python -m gunicorn wsgi:app -b 127.0.0.1:{port}",
    "gunicorn, env": "env A=b gunicorn wsgi:app -b 127.0.0.1:{port}",
    "gunicorn, uv": "uv run --no-project --offline gunicorn wsgi:app -b 127.0.0.1:{port}",
    "hypercorn": "hypercorn asgi:app -b 127.0.0.1:{port}",
    "hypercorn, two": "hypercorn asgi:app -b 127.0.0.1:{port} --bind=[::1]:{second}",
    "hypercorn, ::": "hypercorn asgi:app -b [::]:{port} -w 0",
    "hypercorn, 2 workers": "hypercorn asgi:app -b :{port} -w 2",
    "hypercorn, module": "python -m hypercorn asgi:app -b localhost:{port} -w 0",
    "hypercorn, uv": "uv run --no-project --offline hypercorn asgi:app -b :{port} -w 0",
}

TAKING = """
import os, sys
count = int(sys.argv[1])
for number, fd in enumerate(map(int, sys.argv[2:2 + count])):
    os.dup2(fd, 3 + number)
if "LISTEN_FDS" in os.environ:
    os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(sys.argv[2 + count], sys.argv[2 + count:])
"""
"""Puts held sockets where they belong and becomes the command, as the supervisor does."""


class Server:
    """A running command, that ends with all that it has started."""

    def __init__(self, command: str, folder: Path, held: list[socket.socket]) -> None:
        self.command, self.held = command, held
        self.env = {
            "PATH": f"{BIN}:/usr/bin:/bin",
            "HOME": str(folder),
            "UV_CACHE_DIR": str(folder / "uv"),
        }
        decision = server_of(command, self.env, lambda name: False)
        assert isinstance(decision, Takes), decision
        self.takes = decision
        self.log = folder / "log"
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        words, env = list(argv(self.command)), dict(self.env)
        if self.held:
            words = [self._numbered(word) for word in argv(self.takes.command)]
            env |= {name: self._numbered(value) for name, value in self.takes.env}
            env |= {"LISTEN_FDS": str(len(self.held))} if self.takes.listen_fds else {}
        # High enough to be in nobody's way.
        fds = [os.dup(each.fileno()) for each in self.held]
        passed = [str(len(fds)), *map(str, fds)]
        with self.log.open("wb") as log:
            started = subprocess.Popen(
                [sys.executable, "-IS", "-c", TAKING, *passed, *words],
                env=env,
                cwd=APPS,
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        for fd in fds:
            os.close(fd)
        return started

    def _numbered(self, text: str) -> str:
        for number in range(1, len(self.held)):
            text = text.replace(f"${{fd:{number}}}", str(3 + number))
        return text.replace("${fd}", "3")

    def answers(self) -> None:
        """Wait until every address answers."""
        for address in self.takes.addresses:
            eventually(lambda address=address: asked(address), f"{self.command}: {self.said()}")

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(DEADLINE)

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE)
        for each in self.held:
            each.close()


def asked(address: Bound, family: int = socket.AF_UNSPEC) -> bool:
    """Whether *address* answers /health; by IPv4 only, with that family."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
    host = "127.0.0.1" if family == socket.AF_INET else host
    with (
        suppress(OSError, HTTPException),
        closing(HTTPConnection(host, address.port, timeout=DEADLINE)) as connection,
    ):
        connection.request("GET", "/health")
        with connection.getresponse() as answer:
            return answer.read() == b"ok"
    return False


def family_of(address: Bound) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address.host else socket.AF_INET


def hold(address: Bound) -> socket.socket:
    """A listening socket as the supervisor makes it."""
    six = ":" in address.host
    held = socket.socket(family_of(address))
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if six:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not address.dual_stack))
    held.bind((address.host, address.port))
    held.listen(128)
    return held


def inode(held: socket.socket) -> int:
    return os.fstat(held.fileno()).st_ino


def listening(port: int) -> set[int]:
    """The inodes of all sockets that listen on *port*."""
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    here = f"{port:04X}"
    return {int(row[9]) for row in rows if row[3] == "0A" and row[1].rpartition(":")[2] == here}


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]


Servers = dict[str, Server]


def run_all(folder: Path, hold_for: Callable[[str], list[socket.socket]]) -> Iterator[Servers]:
    """Every server, side by side."""
    ports = free_ports(2 * len(SERVERS))
    running: Servers = {}
    try:
        for number, (name, text) in enumerate(SERVERS.items()):
            command = text.format(port=ports[2 * number], second=ports[2 * number + 1], apps=APPS)
            own = folder / str(number)
            own.mkdir()
            running[name] = Server(command, own, hold_for(command))
        yield running
    finally:
        for server in running.values():
            server.close()


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    yield from run_all(tmp_path_factory.mktemp("hand"), lambda command: [])


@pytest.fixture(scope="module")
def handed_over(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    yield from run_all(tmp_path_factory.mktemp("held"), sockets_for)


def sockets_for(command: str) -> list[socket.socket]:
    decision = server_of(command, {}, lambda name: False)
    assert isinstance(decision, Takes), decision
    return [hold(address) for address in decision.addresses]


@pytest.mark.parametrize("name", SERVERS)
def test_by_hand_it_listens_where_the_table_says(by_hand: Servers, name: str):
    server = by_hand[name]

    server.answers()

    for address in server.takes.addresses:
        if address.host == "::":
            assert asked(address, socket.AF_INET) is address.dual_stack
        assert listening(address.port)
        with pytest.raises(OSError, match="in use"):
            socket.create_server((address.host, address.port), family=family_of(address))
    server.close()


@pytest.mark.parametrize("name", SERVERS)
def test_it_takes_the_held_sockets_over_and_leaves_them_whole(handed_over: Servers, name: str):
    server = handed_over[name]

    server.answers()

    for address, held in zip(server.takes.addresses, server.held, strict=True):
        assert listening(address.port) == {inode(held)}
    server.stop()
    for address, held in zip(server.takes.addresses, server.held, strict=True):
        assert listening(address.port) == {inode(held)}
        assert held.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        with socket.create_connection(held.getsockname()[:2], DEADLINE):
            held.settimeout(DEADLINE)
            held.accept()[0].close()
    server.close()


def test_gunicorn_leaves_a_unix_socket_that_it_was_handed(tmp_path: Path):
    path = tmp_path / "web.sock"
    held = socket.socket(socket.AF_UNIX)
    held.bind(str(path))
    held.listen(128)
    server = Server(f"gunicorn wsgi:app -b unix:{path}", tmp_path, [held])
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(str(path))
            client.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            assert client.recv(4) == b"HTTP"
        server.stop()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    finally:
        server.close()


def test_gunicorn_makes_a_unix_socket_as_open_as_the_table_says(tmp_path: Path):
    path = tmp_path / "web.sock"
    server = Server(f"gunicorn wsgi:app -b unix:{path} --umask 0117", tmp_path, [])
    try:
        eventually(path.exists, "the socket")
        eventually(lambda: "Listening" in server.said(), "gunicorn")
        [address] = server.takes.addresses
        assert path.stat().st_mode & 0o777 == address.mode
    finally:
        server.close()


def test_granian_still_has_no_way_to_take_a_socket_over():
    told = subprocess.run(
        [BIN / "granian", "--help"], capture_output=True, text=True, check=True, timeout=DEADLINE
    )

    assert "--uds" in told.stdout
    assert "--fd" not in told.stdout

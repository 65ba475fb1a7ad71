"""A web app behind each of the servers that it is run by, and its releases."""

import http.client
import json
import os
import random
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.failure import Failed
from benchmarks.load import LoadSpec
from benchmarks.peers.alone import Alone
from benchmarks.peers.peer import Peer
from benchmarks.processes import descendants
from benchmarks.rounds import OURS
from benchmarks.session import Session, session
from benchmarks.workload import PROGRAMS, App

NAME = "web"
HOST = "127.0.0.1"
FIRST = "1"
OWN = "its own SIGHUP"
MANNERS = {"a new connection each": False, "kept connections": True}
"""How requests are sent; whether connections are kept."""


@dataclass(frozen=True, slots=True)
class Server:
    """A command as it stands in the articles, but for the address: only this machine is to come."""

    name: str
    argv: tuple[str, ...]
    bind: tuple[str, ...]
    """What names the address; `{port}` is in it."""
    handed: tuple[str, ...]
    """What stands there instead where the socket comes from outside; `{fd}` is in it."""
    signal_reloads: bool = False
    """Whether it has a reload of its own, at SIGHUP."""

    def app(self, folder: Path, port: int) -> App:
        return App(
            NAME,
            (*self.argv, *(word.format(port=port) for word in self.bind)),
            folder=folder,
            health=f"http://{HOST}:{port}/health",
            handed=(*self.argv, *self.handed),
        )


_UVICORN = ("--host", HOST, "--port", "{port}"), ("--fd", "{fd}")
_GUNICORN = ("--bind", f"{HOST}:{{port}}"), ("--bind", "fd://{fd}")
_GTHREAD = ("--worker-class", "gthread", "--threads", "2")
SERVERS = (
    Server("uvicorn", ("uvicorn", "main:app"), *_UVICORN),
    Server("uvicorn, 2 workers", ("uvicorn", "main:app", "--workers", "2"), *_UVICORN),
    Server("gunicorn sync", ("gunicorn", "app:app", "--workers", "2"), *_GUNICORN, True),
    Server(
        "gunicorn gthread", ("gunicorn", "app:app", "--workers", "2", *_GTHREAD), *_GUNICORN, True
    ),
)


@dataclass(frozen=True, slots=True)
class Site:
    """A web app that is served."""

    started: Session
    folder: Path
    port: int

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def load(self, *, keep_alive: bool) -> LoadSpec:
        return LoadSpec(self.address, keep_alive=keep_alive)

    def release(self, name: str) -> None:
        """What is loaded from now on is the release *name*."""
        new = self.folder / "release.new"
        new.write_text(name)
        new.rename(self.folder / "release")

    def who(self, patience: float = 5) -> tuple[str, int] | None:
        """The release and the process that answer; None where none does."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=patience)
        with suppress(OSError, http.client.HTTPException, ValueError, KeyError):
            connection.request("GET", "/", headers={"Connection": "close"})
            said = json.loads(connection.getresponse().read())
            return said["release"], said["pid"]
        connection.close()
        return None

    def processes(self) -> list[int]:
        """The process group of who answers. Raises `Failed` where nobody does."""
        answers = self.who()
        if answers is None:
            raise Failed("nobody answers")
        group = os.getpgid(answers[1])
        return [pid for pid in descendants() if os.getpgid(pid) == group]

    def wait_release(self, name: str, within: float = 60) -> bool:
        """Whether the release *name*, and no other any more, answers within that time."""
        deadline = time.monotonic() + within
        in_a_row = 0
        while in_a_row < 10 and time.monotonic() < deadline:
            answered = self.who()
            in_a_row = in_a_row + 1 if answered and answered[0] == name else 0
            time.sleep(0.02)
        return in_a_row == 10


def sides(bench: Bench, server: Server) -> dict[str, Peer]:
    """By whom *server* is reloaded: oxtrio first, then its own way, then all others."""
    own = {OWN: Alone()} if server.signal_reloads else {}
    return {OURS: bench.ours, **own, **{peer.name: peer for peer in bench.web}}


@contextmanager
def serving(peer: Peer, server: Server) -> Iterator[Site]:
    """*server* with the first release, supervised by *peer*, as soon as it answers."""
    require()
    port = free_port()
    folders: list[Path] = []

    def workload(pipe: Path) -> Sequence[App]:
        folder = pipe.parent / "site"
        shutil.copytree(PROGRAMS / "site", folder)
        (folder / "release").write_text(FIRST)
        folders.append(folder)
        return [server.app(folder, port)]

    with session(peer, workload) as started:
        site = Site(started, folders[0], port)
        if not site.wait_release(FIRST):
            raise Failed(f"{server.name} does not answer: {started.last_words()}")
        yield site


def require() -> None:
    """Raises `Failed` where the servers are not installed: all sides use those beside oxtrio."""
    missing = [name for name in ("uvicorn", "gunicorn", "fastapi", "flask") if not find_spec(name)]
    if missing:
        raise Failed(f"{', '.join(missing)} cannot be imported: `make bench` installs all of them")


def free_port() -> int:
    """A port that nobody listens on, and that the kernel gives to no outgoing connection."""
    for port in random.sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.create_server((HOST, port)):
            return port
    raise Failed("none of 100 ports is free")

"""A web app in a folder of its own, its releases, and the load that it is under."""

import json
import shutil
import socket
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.load import Load, LoadSpec, start
from benchmarks.outcome import Record
from tests.e2e.kit import FIXTURES, PYTHON, Ox
from tests.e2e.processes import DEADLINE

HOST = "127.0.0.1"
AT_A_TIME = 4
GENTLE = 0.01
"""Seconds between two requests of a client, where it need not be at full speed."""
RELOADS = 3
BARE = FIXTURES / "site"
HANDED = FIXTURES / "handed.py"
LOST = {"reset", "closed", "truncated"}
"""What becomes of a request when the process that has it is killed."""


class Site:
    """The app *name* of the project; *command* is as it stands in an article, but for the port."""

    def __init__(self, ox: Ox, name: str, command: str, *, source: Path = BARE) -> None:
        self.ox, self.name = ox, name
        self.folder = ox.folder / name
        self.port = own_port()
        self.command = command.format(port=self.port)
        shutil.copytree(source, self.folder, ignore=shutil.ignore_patterns("__pycache__"))
        self.release("1")

    def release(self, name: str) -> None:
        """What is loaded from now on is the release *name*."""
        new = self.folder / "release.new"
        new.write_text(name)
        new.rename(self.folder / "release")

    def oxfile(self, *more: str, health: str = "") -> str:
        """Its part of the oxfile, with *more* lines, and more about its health check."""
        lines = [
            f"[processes.{self.name}]",
            f'command = "{self.command}"',
            f'working_dir = "{self.name}"',
            "restart_on_exit = true",
            *more,
            f"[processes.{self.name}.health_check]",
            f'endpoint = "http://localhost:{self.port}/health"',
            health,
        ]
        return "\n".join(lines) + "\n"

    def load(self, *, keep_alive: bool = False, pause: float = GENTLE) -> Load:
        """Four clients that ask all the time, from now on."""
        spec = LoadSpec(
            f"{HOST}:{self.port}",
            concurrency=AT_A_TIME,
            keep_alive=keep_alive,
            patience=DEADLINE,
            pause=pause,
        )
        return start(spec)

    def answering(self) -> str | None:
        """The release that answers now; None where none does."""
        found = who(self.port)
        return None if found is None else found[0]


class Api:
    """The app `api`, which is handed its socket; what it is told is in the oxfile."""

    def __init__(self, ox: Ox) -> None:
        self.ox, self.port = ox, own_port()

    def oxfile(self, *more: str, release: str = "1") -> str:
        lines = [
            "[processes.api]",
            f'command = "{PYTHON} {HANDED} {release}"',
            f'listen = "{HOST}:{self.port}"',
            "stop_timeout_ms = 3000",
            *more,
        ]
        return "\n".join(lines) + "\n"

    def load(self) -> LoadSpec:
        return LoadSpec(f"{HOST}:{self.port}", concurrency=4, pause=GENTLE)

    def pids(self, count: int) -> dict[str, int]:
        return {f"api:{number}": self.ox.pid(f"api:{number}") for number in range(count)}

    def answered_by(self, count: int = 40) -> set[int]:
        """Who has answered some requests."""
        answers = [who(self.port) for _ in range(count)]
        return {answer[1] for answer in answers if answer is not None}


def reload_under_load(site: Site) -> tuple[Record, Record]:
    """What became of the requests, each on a new connection and on kept ones, in 3 reloads.

    Each puts another release into service. New connections come at full speed.
    """
    with site.load(pause=0) as new, site.load(keep_alive=True, pause=0.005) as kept:
        loads = (new, kept)
        for load in loads:
            load.wait_answers(20)
        for number in range(2, 2 + RELOADS):
            site.release(str(number))
            site.ox.done("reload", site.name)
            assert site.answering() == str(number)
            for load in loads:
                load.wait_answers(20)
        return new.stop(), kept.stop()


def check_that_nobody_noticed(new: Record, kept: Record) -> None:
    """Fails unless every request was answered, by one release after the other."""
    for record in (new, kept):
        assert record.whole.failed == {}, f"{record.whole.failed}: {record.first}"
        releases = {str(number) for number in range(1, 2 + RELOADS)}
        assert set(record.whole.releases) == releases, record.whole.releases
    # HTTP lets a server close what is idle: on kept connections a request may cross that.
    assert new.whole.raced_close == 0


def own_port() -> int:
    """A port that nobody else is given until the tests end: it is bound, but not listened on.

    Everybody who sets SO_REUSEADDR, as servers do, can have it.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("", 0))
    port: int = held.getsockname()[1]
    held.detach()
    return port


def who(port: int, host: str = HOST) -> tuple[str, int] | None:
    """The release and the pid that answer at *port*; None where none does."""
    with (
        suppress(OSError, HTTPException, ValueError, KeyError),
        closing(HTTPConnection(host, port, timeout=DEADLINE)) as connection,
    ):
        connection.request("GET", "/", headers={"Connection": "close"})
        with connection.getresponse() as answer:
            said = json.load(answer)
            return said["release"], said["pid"]
    return None


def is_refused(port: int) -> bool:
    """Whether a client of *port* is turned away."""
    with suppress(ConnectionRefusedError), socket.create_connection((HOST, port), DEADLINE):
        return False
    return True

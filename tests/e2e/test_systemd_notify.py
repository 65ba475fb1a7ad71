"""oxtrio as a service of systemd (`Type=notify`): what it says, and in which order."""

import os
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.kit import FIXTURES, PYTHON, Ox
from tests.e2e.processes import DEADLINE

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
DULL = ("STATUS", "WATCHDOG", "EXTEND_TIMEOUT_USEC")


class Manager:
    """The end of the notify socket that systemd would hold."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.said: list[dict[str, str]] = []
        """All messages so far."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))

    def hears(self, key: str, value: str | None = None) -> dict[str, str]:
        """Wait for a message with *key*, and *value* where that is given; the message."""
        deadline = time.monotonic() + DEADLINE
        with suppress(TimeoutError):
            while (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                message = self._next()
                if key in message and value in (None, message[key]):
                    return message
        raise AssertionError(f"{key} was not said: {self.said}")

    def all(self) -> list[dict[str, str]]:
        """All messages, those that wait too."""
        self._socket.settimeout(0)
        with suppress(BlockingIOError):
            while True:
                self._next()
        return self.said

    def phases(self) -> list[str]:
        """The first key of each message, without those that may come at any time."""
        return [first for message in self.all() if (first := next(iter(message))) not in DULL]

    def close(self) -> None:
        self._socket.close()

    def _next(self) -> dict[str, str]:
        text = self._socket.recv(4096).decode()
        self.said.append(dict(line.split("=", 1) for line in text.split("\n")))
        return self.said[-1]


@pytest.fixture(params=["abstract", "path"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    abstract = request.param == "abstract"
    manager = Manager(f"@oxtrio-test/{uuid.uuid4().hex}" if abstract else str(tmp_path / "n"))
    yield manager
    manager.close()


def test_ready_reloading_stopping(ox: Ox, manager: Manager):
    check = '[processes.a.health_check]\ncommand = "test -f go"\ninterval_secs = 0.05\n'
    ox.write(SLEEPER + check)
    running = ox.foreground("run", env={"NOTIFY_SOCKET": manager.address})
    manager.hears("STATUS", "1 starting")
    assert manager.phases() == []

    (ox.folder / "go").touch()
    assert manager.hears("READY") == {"READY": "1", "STATUS": "1 running"}

    before = time.monotonic_ns() // 1000
    running.signal(signal.SIGHUP)
    at = int(manager.hears("RELOADING", "1")["MONOTONIC_USEC"])
    assert before <= at <= time.monotonic_ns() // 1000
    manager.hears("READY", "1")

    running.signal(signal.SIGTERM)
    manager.hears("STOPPING", "1")
    assert running.ends() == 0
    assert manager.phases() == ["READY", "RELOADING", "READY", "STOPPING"]


def test_what_fails_at_once_does_not_keep_it_from_being_ready(ox: Ox, manager: Manager):
    failing = "[processes.b]\ncommand = 'exit 3'\nrestart_on_exit = false\n"
    ox.write(SLEEPER + failing)
    running = ox.foreground("run", env={"NOTIFY_SOCKET": manager.address})

    assert manager.hears("READY")["STATUS"] == "1 running, 1 crashed"

    running.signal(signal.SIGTERM)
    assert running.ends() == 3


def test_what_ends_as_meant_was_ready(ox: Ox, manager: Manager):
    ox.write("[processes.a]\ncommand = 'true'\nrestart_on_exit = false\n")

    ended = ox("run", NOTIFY_SOCKET=manager.address)

    assert ended.returncode == 0
    assert manager.phases() == ["READY", "STOPPING"]


def test_it_says_that_it_lives_where_it_is_the_one_who_is_asked(ox: Ox, manager: Manager):
    ox.write(SLEEPER)
    watched = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "100000"}
    running = ox.foreground("run", env=watched)
    for _ in range(5):
        manager.hears("WATCHDOG", "1")
    running.signal(signal.SIGTERM)
    assert running.ends() == 0

    manager.all().clear()
    running = ox.foreground("run", env={**watched, "WATCHDOG_PID": str(os.getpid())})
    manager.hears("READY")
    running.signal(signal.SIGTERM)
    assert running.ends() == 0
    assert not [message for message in manager.all() if "WATCHDOG" in message]


def test_a_stop_that_takes_long_asks_for_time(ox: Ox, manager: Manager):
    deaf = f'"{PYTHON} {FIXTURES}/stubborn.py ready TERM INT"\nstart_secs = 0\n'
    ox.write(f"[processes.a]\ncommand = {deaf}stop_timeout_ms = 3600000\n")
    running = ox.foreground("run", env={"NOTIFY_SOCKET": manager.address})
    manager.hears("READY")
    ox.content("ready")

    running.signal(signal.SIGTERM)

    assert int(manager.hears("STOPPING")["EXTEND_TIMEOUT_USEC"]) >= 5_000_000
    manager.hears("EXTEND_TIMEOUT_USEC")
    running.signal(signal.SIGTERM)
    running.ends()


def test_the_supervisor_in_the_background_says_who_it_is(ox: Ox, manager: Manager):
    ox.write(SLEEPER)

    ox.done("start", NOTIFY_SOCKET=manager.address)

    ready = manager.hears("READY")
    assert int(ready["MAINPID"]) == ox.keeper().pid
    manager.hears("STATUS", "1 running")
    ox.done("stop")
    assert manager.phases() == ["READY", "STOPPING"]


def test_the_apps_see_nothing_of_it(ox: Ox, manager: Manager):
    ox.write("[processes.a]\ncommand = 'env > given; exec sleep 3600'\nstart_secs = 0\n")
    given = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "9000000", "WATCHDOG_PID": "1"}
    running = ox.foreground("run", env=given)

    environ = ox.content("given", lambda text: "OXTRIO_RUN_ID" in text and "PATH" in text)

    assert "NOTIFY_SOCKET" not in environ
    assert "WATCHDOG" not in environ
    running.signal(signal.SIGTERM)
    assert running.ends() == 0


@pytest.mark.parametrize("address", ["/no/such/socket", "nonsense", "@oxtrio-test/nobody"])
def test_where_nobody_listens_nothing_is_different(ox: Ox, address: str):
    ox.write("[processes.a]\ncommand = 'true'\nrestart_on_exit = false\n")

    assert ox("run", NOTIFY_SOCKET=address, WATCHDOG_USEC="100000").returncode == 0


def test_a_manager_that_never_reads_is_not_waited_for(ox: Ox, manager: Manager):
    ox.write(SLEEPER)
    given = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "2000"}
    running = ox.foreground("run", env=given)
    ox.becomes("a", "running")

    ox.done("restart", "a")
    running.signal(signal.SIGTERM)

    assert running.ends() == 0

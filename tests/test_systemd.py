"""What the service manager above is told, and how often."""

import socket
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from oxtrio.model.order import SupervisorStatus
from oxtrio.model.state import State
from oxtrio.supervisor.supervisor import Supervisor
from oxtrio.systemd import Herald

PID = 4711


@dataclass
class FakeInstance:
    state: State = State.STARTING


@dataclass
class FakeSupervisor:
    """As much of a supervisor as a herald looks at."""

    foreground: bool = True
    stopping: bool = False
    identity: SupervisorStatus = field(
        default_factory=lambda: SupervisorStatus(
            version="",
            pid=PID,
            project="",
            id="",
            files=(),
            started_at="",
            foreground=True,
            stopping=False,
        )
    )
    changed: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)
    shutdown_asked: trio.Event = field(default_factory=trio.Event)
    all: list[FakeInstance] = field(default_factory=lambda: [FakeInstance(), FakeInstance()])

    def instances(self) -> list[FakeInstance]:
        return self.all

    def becomes(self, *states: State) -> None:
        for instance, state in zip(self.all, states, strict=True):
            instance.state = state
        self.changed.unpark_all()

    def shutdown(self) -> None:
        self.stopping = True
        self.shutdown_asked.set()


class Manager:
    """The other end."""

    def __init__(self) -> None:
        self.address = f"@oxtrio-test/{uuid.uuid4().hex}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind("\0" + self.address[1:])

    def heard(self, *, also: str = "") -> list[str]:
        """All since the last time, but for what asks for time or says that we live."""
        said: list[str] = []
        try:
            while True:
                said.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            pass
        dull = {"EXTEND_TIMEOUT_USEC", "WATCHDOG"} - {also}
        return [each for each in said if each.partition("=")[0] not in dull]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager() -> Iterator[Manager]:
    manager = Manager()
    yield manager
    manager.close()


@pytest.fixture
def supervisor() -> FakeSupervisor:
    return FakeSupervisor()


def herald_of(supervisor: FakeSupervisor, manager: Manager, **environ: str) -> Herald:
    environ["NOTIFY_SOCKET"] = manager.address
    return Herald(environ, cast(Supervisor, supervisor))


@asynccontextmanager
async def serving(herald: Herald) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(herald.serve)
        await wait_all_tasks_blocked()
        yield
        nursery.cancel_scope.cancel()


async def test_the_states_are_told_as_they_change(
    supervisor: FakeSupervisor, manager: Manager, autojump_clock: MockClock
):
    herald = herald_of(supervisor, manager)
    async with serving(herald):
        assert manager.heard() == ["STATUS=2 starting"]
        supervisor.becomes(State.RUNNING, State.RUNNING)
        await trio.sleep(1.5)
        assert manager.heard() == ["STATUS=2 running"]

        supervisor.changed.unpark_all()
        await trio.sleep(60)
        assert manager.heard() == [], "nothing has changed"


async def test_however_much_changes_it_is_told_once_a_second(
    supervisor: FakeSupervisor, manager: Manager, autojump_clock: MockClock
):
    herald = herald_of(supervisor, manager)
    async with serving(herald):
        manager.heard()
        for number in range(100):
            supervisor.becomes(State.RUNNING, (State.BACKOFF, State.STARTING)[number % 2])
            await trio.sleep(0.09)
        await trio.sleep(2)

        told = manager.heard()
        assert 5 <= len(told) <= 11
        assert told[-1] == "STATUS=1 running, 1 starting"


async def test_ready_comes_with_the_states_and_in_the_background_with_the_main_pid(
    supervisor: FakeSupervisor, manager: Manager
):
    supervisor.becomes(State.RUNNING, State.BACKOFF)
    herald_of(supervisor, manager).ready()
    assert manager.heard() == ["READY=1\nSTATUS=1 running, 1 backoff"]

    supervisor.foreground = False
    herald_of(supervisor, manager).ready()
    assert manager.heard() == [f"READY=1\nSTATUS=1 running, 1 backoff\nMAINPID={PID}"]


async def test_a_reload_is_bracketed(supervisor: FakeSupervisor, manager: Manager):
    herald = herald_of(supervisor, manager)
    herald.ready()
    manager.heard()
    before = time.monotonic_ns() // 1000

    with herald.reloading():
        [told] = manager.heard()
        reloading, at = told.split("\n")
        assert reloading == "RELOADING=1"
        key, _, micros = at.partition("=")
        assert key == "MONOTONIC_USEC"
        assert before <= int(micros) <= time.monotonic_ns() // 1000
    assert manager.heard() == ["READY=1"]


async def test_a_reload_neither_makes_ready_nor_takes_a_stop_back(
    supervisor: FakeSupervisor, manager: Manager
):
    herald = herald_of(supervisor, manager)
    with herald.reloading():
        pass
    assert manager.heard() == []

    herald.ready()
    with herald.reloading():
        supervisor.shutdown()
        herald.stopping(0)
    with herald.reloading():
        pass
    told = [each.split("\n")[0] for each in manager.heard()]
    assert told == ["READY=1", "RELOADING=1", "STOPPING=1"]


@pytest.mark.parametrize(("code", "told"), [(0, ["READY=1", "STOPPING=1"]), (3, ["STOPPING=1"])])
async def test_what_ends_well_before_it_was_ready_was_ready(
    supervisor: FakeSupervisor, manager: Manager, code: int, told: list[str]
):
    herald = herald_of(supervisor, manager)

    herald.stopping(code)

    assert [each.split("\n")[0] for each in manager.heard()] == told


async def test_time_is_asked_for_while_it_starts_and_while_it_stops(
    supervisor: FakeSupervisor, manager: Manager, autojump_clock: MockClock
):
    def asked() -> int:
        told = manager.heard(also="EXTEND_TIMEOUT_USEC")
        return sum("EXTEND_TIMEOUT_USEC=10000000" in each for each in told)

    herald = herald_of(supervisor, manager)
    async with serving(herald):
        await trio.sleep(21)
        assert asked() == 5
        herald.ready()
        await trio.sleep(3600)
        assert asked() == 0
        supervisor.shutdown()
        herald.stopping(0)
        await trio.sleep(21)
        assert asked() == 5


async def test_it_says_that_it_lives_at_half_the_time_it_has(
    supervisor: FakeSupervisor, manager: Manager, autojump_clock: MockClock
):
    for environ, pings in (
        ({"WATCHDOG_USEC": "2000000"}, 4),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(PID)}, 4),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, 0),
        ({}, 0),
    ):
        async with serving(herald_of(supervisor, manager, **environ)):
            await trio.sleep(3.5)
        assert manager.heard(also="WATCHDOG").count("WATCHDOG=1") == pings


async def test_a_manager_that_has_no_room_is_told_later_and_in_order(
    supervisor: FakeSupervisor, manager: Manager, autojump_clock: MockClock
):
    herald = herald_of(supervisor, manager, WATCHDOG_USEC="200000")
    async with serving(herald):
        await trio.sleep(60)  # its queue has long been full
        herald.ready()
        with herald.reloading():
            pass
        await trio.sleep(60)
        assert "READY=1" not in "".join(manager.heard())

        await trio.sleep(1)
        first, *rest = (each.split("\n")[0] for each in manager.heard())
        assert (first, rest[:2]) == ("READY=1", ["RELOADING=1", "READY=1"])


async def test_without_a_manager_nothing_is_said(supervisor: FakeSupervisor):
    herald = Herald({"WATCHDOG_USEC": "100"}, cast(Supervisor, supervisor))

    assert not herald.is_heard
    herald.ready()
    with herald.reloading():
        pass
    herald.stopping(0)

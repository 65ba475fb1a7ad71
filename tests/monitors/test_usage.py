"""Runs are looked at while a limit or a viewer needs it, and never otherwise."""

import os
import threading
from collections.abc import Iterable, Sequence

import pytest
import trio
from trio.testing import MockClock

from oxtrio.model.spec import LimitsSpec
from oxtrio.model.usage import Usage
from oxtrio.monitors import usage
from oxtrio.monitors.usage import Watched, watch_usage
from oxtrio.monitors.viewers import Viewers
from tests.monitors.fakes import FakeRun, feed

MB = 1024 * 1024


class Machine:
    """What every run uses, and when somebody looked."""

    def __init__(self) -> None:
        self.memory = 10 * MB
        self.load = 0.5
        self.looks: list[float] = []
        self.bug: Exception | None = None

    def sample(self, pids: Iterable[int]) -> Usage:
        if self.bug is not None:
            raise self.bug
        now = trio.current_time()
        self.looks.append(now)
        return Usage(memory=self.memory, cpu_seconds=now * self.load, processes=2)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    it = Machine()
    monkeypatch.setattr(usage, "Meter", lambda: it)

    async def nothing_shared(self: Watched, pids: Sequence[int]) -> int:
        await trio.lowlevel.checkpoint()
        return it.memory

    monkeypatch.setattr(Watched, "_proportional", nothing_shared)
    return it


def complain(what: str, bug: BaseException) -> None:
    raise AssertionError(what) from bug


async def watch(*runs: FakeRun, seconds: float, viewers: Viewers | None = None) -> None:
    with trio.move_on_after(seconds):
        await watch_usage(feed(*runs), viewers or Viewers(), complain)


async def test_without_a_limit_or_a_viewer_nobody_looks(
    machine: Machine, autojump_clock: MockClock
):
    await watch(FakeRun(), seconds=1000)

    assert machine.looks == []


async def test_a_run_with_a_limit_is_looked_at_every_two_seconds(
    machine: Machine, autojump_clock: MockClock
):
    run = FakeRun(limits=LimitsSpec(memory=64 * MB))

    await watch(run, seconds=7)

    assert machine.looks == [0, 2, 4, 6]
    assert run.told == []
    assert [used.cpu_percent for used in run.used[1:]] == [50, 50, 50]


async def test_too_much_memory_is_told_once_and_then_nobody_looks_any_more(
    machine: Machine, autojump_clock: MockClock
):
    run = FakeRun(limits=LimitsSpec(memory=64 * MB))
    machine.memory = 200 * MB

    await watch(run, seconds=100)

    assert run.told == [(0, "memory 200 MB > 64 MB")]
    assert machine.looks == [0]


async def test_too_much_cpu_is_told_after_a_full_window(
    machine: Machine, autojump_clock: MockClock
):
    run = FakeRun(limits=LimitsSpec(cpu_percent=40, cpu_window=30))

    await watch(run, seconds=100)

    assert run.told == [(30, "cpu 50 % > 40 % over 30 s")]


async def test_a_run_that_has_ended_is_not_looked_at(machine: Machine, autojump_clock: MockClock):
    run = FakeRun(limits=LimitsSpec(memory=64 * MB))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: watch(run, seconds=100))
        await trio.sleep(5)
        run.ended.set()

    assert machine.looks == [0, 2, 4]


async def test_a_viewer_gets_figures_at_once_and_for_a_while(
    machine: Machine, autojump_clock: MockClock
):
    run, viewers = FakeRun(), Viewers()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: watch(run, seconds=1000, viewers=viewers))
        await trio.sleep(100)
        await viewers.wait_fresh()
        assert trio.current_time() == 100
        assert len(run.used) == 1

    assert machine.looks == [100, 102, 104, 106, 108]


async def test_the_first_figure_is_the_mean_since_the_spawn(
    machine: Machine, autojump_clock: MockClock
):
    run = FakeRun(limits=LimitsSpec(memory=64 * MB))
    await trio.sleep(10)

    await watch(run, seconds=1)

    assert run.used[0].cpu_percent == 50


async def test_figures_that_are_fresh_are_not_waited_for(
    machine: Machine, autojump_clock: MockClock
):
    run, viewers = FakeRun(), Viewers()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: watch(run, seconds=1000, viewers=viewers))
        for _ in range(10):
            await viewers.wait_fresh()

    assert machine.looks == [0, 2, 4, 6, 8]


async def test_a_viewer_who_comes_while_limits_are_watched_does_not_wait(
    machine: Machine, autojump_clock: MockClock
):
    free, viewers = FakeRun("free"), Viewers()
    limited = FakeRun("limited", limits=LimitsSpec(memory=64 * MB))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: watch(free, limited, seconds=20, viewers=viewers))
        await trio.sleep(5)
        assert free.used == []
        await viewers.wait_fresh()
        assert trio.current_time() == 5

        assert len(free.used) == 1


async def test_a_run_that_starts_while_somebody_looks_is_seen(
    machine: Machine, autojump_clock: MockClock
):
    viewers = Viewers()
    late = FakeRun("late")
    send, receive = trio.open_memory_channel[FakeRun](1)
    with send, receive, trio.move_on_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_usage, receive, viewers, complain)
            await viewers.wait_fresh()
            await trio.sleep(1)
            await send.send(late)

    assert len(late.used) == 2


async def test_a_bug_in_one_look_is_reported_and_ends_that_watch_only(
    machine: Machine, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
):
    odd = FakeRun("odd", limits=LimitsSpec(memory=64 * MB))
    fine = FakeRun("fine", limits=LimitsSpec(memory=64 * MB))
    monkeypatch.setattr(odd, "pids", lambda: 1 / 0)
    bugs: list[str] = []

    with trio.move_on_after(5):
        await watch_usage(feed(odd, fine), Viewers(), lambda what, _: bugs.append(what))

    assert bugs == ["sampling odd failed"]
    assert machine.looks == [0, 2, 4]


# With the real clock, as a thread looks idle to the other


@pytest.mark.slow
async def test_pss_decides_where_the_sum_of_rss_is_too_much(monkeypatch: pytest.MonkeyPatch):
    run = FakeRun(limits=LimitsSpec(memory=5 * MB))
    monkeypatch.setattr(run, "pids", lambda: [os.getpid()])
    monkeypatch.setattr(usage, "proportional_memory", lambda pids: 3 * MB)
    watched = Watched(run)

    await watched.sample()

    assert run.used[0].memory == 3 * MB
    assert run.told == []
    assert watched.limited


@pytest.mark.slow
async def test_a_kernel_that_takes_too_long_to_tell_is_no_reason_to_restart(
    monkeypatch: pytest.MonkeyPatch,
):
    run, over = FakeRun(limits=LimitsSpec(memory=5 * MB)), threading.Event()
    monkeypatch.setattr(run, "pids", lambda: [os.getpid()])
    monkeypatch.setattr(usage, "proportional_memory", lambda pids: over.wait(30))
    monkeypatch.setattr(usage, "PATIENCE", 0.01)

    try:
        await Watched(run).sample()
    finally:
        over.set()

    assert run.used[0].memory > 5 * MB
    assert run.told == []

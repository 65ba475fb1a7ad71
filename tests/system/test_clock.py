import math
from collections.abc import Callable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from oxtrio.system import clock as module
from oxtrio.system.clock import (
    GRACE,
    JUST,
    LATE,
    MOMENT,
    STEP,
    STOOD_STILL,
    AwakeClock,
    real_time,
)

ON_TIME = st.floats(0, STOOD_STILL / 2)
TOO_LATE = st.floats(STOOD_STILL * 2, 100)


class Reality:
    """What `time.monotonic` says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Sleeper:
    """Looks at the clock as Trio does."""

    def __init__(self, patch: Callable[[Reality], None]) -> None:
        self.reality = Reality()
        patch(self.reality)
        self.clock = AwakeClock()
        self.clock.start_clock()
        self.begun = self.clock.current_time()

    @property
    def shown(self) -> float:
        return self.clock.current_time() - self.begun

    def plans(self, deadline: float) -> float:
        return self.clock.deadline_to_sleep_time(self.begun + deadline)

    def sleeps(self, deadline: float) -> float:
        """Sleep until *deadline*, on time; what the clock shows then."""
        self.looks = 0
        while left := self.plans(deadline):
            self.reality.now += left
            self.looks += 1
        return self.shown

    def is_late(self, deadline: float, late: float) -> float:
        """Sleep for it once, and so much longer than planned; what the clock shows then."""
        self.reality.now += self.plans(deadline) + late
        return self.shown

    def works(self, seconds: float) -> float:
        self.reality.now += seconds
        return self.shown


@pytest.fixture
def sleeper(monkeypatch: pytest.MonkeyPatch) -> Sleeper:
    return Sleeper(lambda reality: monkeypatch.setattr(module, "time", reality))


def test_it_goes_as_real_time_goes_as_long_as_we_are_awake(sleeper: Sleeper):
    assert sleeper.sleeps(5.0) == pytest.approx(5.0)
    assert sleeper.is_late(5.4, 0.01) == pytest.approx(5.41)
    assert sleeper.works(0.15) == pytest.approx(5.56)
    assert sleeper.sleeps(3.0) == pytest.approx(5.56), "that has passed already"
    assert sleeper.plans(5.96) == pytest.approx(0.4)


def test_it_is_looked_at_seldom_where_nothing_is_due_soon(sleeper: Sleeper):
    sleeper.sleeps(24 * 3600.0)
    assert sleeper.looks < 120


def test_what_was_slept_through_does_not_count(sleeper: Sleeper):
    assert sleeper.is_late(20.0, 30) == pytest.approx(0.0)
    for _ in range(4):
        assert sleeper.works(GRACE / 4) == pytest.approx(0.0), "it stands until all is heard"
    assert sleeper.sleeps(20.0) == pytest.approx(20.0)
    assert sleeper.sleeps(21.0) == pytest.approx(21.0)


@pytest.mark.parametrize("frozen", [0.7, 4.0, 30.0])
def test_wherever_in_a_wait_it_stood_still_nearly_all_of_the_wait_is_left(
    sleeper: Sleeper, frozen: float
):
    sleeper.sleeps(2.0)
    began = sleeper.reality.now
    left = sleeper.plans(10.0)
    sleeper.reality.now += left / 2 + frozen

    sleeper.sleeps(10.0)

    assert sleeper.reality.now - began == pytest.approx(8.0 + frozen, abs=left + GRACE)


def test_who_is_a_little_late_hears_first_what_has_come(sleeper: Sleeper):
    assert sleeper.is_late(0.3, LATE * 2) == pytest.approx(0.3 - JUST)
    assert sleeper.works(MOMENT / 2) == pytest.approx(0.3 - JUST)
    assert sleeper.sleeps(0.3) == pytest.approx(0.3)


def test_who_is_stopped_while_it_works_has_stood_still_too(sleeper: Sleeper):
    assert sleeper.works(1.0) == pytest.approx(0.0)
    assert sleeper.works(0.04) == pytest.approx(0.0)
    assert sleeper.works(0.04) == pytest.approx(0.0)
    assert sleeper.works(0.04) == pytest.approx(0.12 - GRACE)


def test_an_answer_that_came_while_we_slept_is_in_time(sleeper: Sleeper):
    """Trio looks for what has come, then at the clock, and only then at deadlines."""
    sleeper.is_late(0.2, 2)
    for _ in range(5):
        assert sleeper.works(GRACE / 10) < 0.2


def test_sleep_without_a_deadline_is_as_long_as_it_is(sleeper: Sleeper):
    assert sleeper.plans(math.inf) == math.inf
    sleeper.reality.now += 1000
    assert sleeper.shown == pytest.approx(1000)


def test_who_is_stopped_again_at_once_is_excused_too(sleeper: Sleeper):
    sleeper.is_late(0.01, 10)
    assert sleeper.is_late(0.01, 10) == pytest.approx(0.01)
    assert sleeper.is_late(0.4, 10) == pytest.approx(0.01)
    assert sleeper.is_late(0.4, 10) == pytest.approx(0.4 - GRACE), "all have that time"
    assert sleeper.works(10) == pytest.approx(0.4 - GRACE)
    assert sleeper.works(10) == pytest.approx(0.4 - GRACE + STOOD_STILL), "but time goes on"


@given(deadlines=st.lists(st.floats(0.001, 10), max_size=20), late=st.lists(ON_TIME | TOO_LATE))
def test_it_goes_neither_backwards_nor_faster_than_real_time(
    deadlines: list[float], late: list[float]
):
    with pytest.MonkeyPatch.context() as patch:
        sleeper = Sleeper(lambda reality: patch.setattr(module, "time", reality))
        for ahead, too_late in zip(deadlines, late, strict=False):
            before, began = sleeper.shown, sleeper.reality.now
            after = sleeper.is_late(before + ahead, too_late)
            assert before <= after <= before + (sleeper.reality.now - began) + 1e-6


@given(every=st.floats(STOOD_STILL * 1.01, 60), ahead=st.floats(0.001, 60))
def test_time_goes_on_where_everything_is_always_late(every: float, ahead: float):
    with pytest.MonkeyPatch.context() as patch:
        sleeper = Sleeper(lambda reality: patch.setattr(module, "time", reality))
        looks = 0
        while sleeper.is_late(ahead, every) < ahead - 1e-6:
            looks += 1
            # Every second look brings nearly a step.
            assert looks <= 20 + 4 * ahead / STEP


def test_real_time_goes_on_when_the_clock_does_not(monkeypatch: pytest.MonkeyPatch):
    reality = Reality()
    monkeypatch.setattr(module, "time", reality)

    async def look() -> tuple[float, float]:
        before, began = real_time(), trio.current_time()
        reality.now += 5
        return real_time() - before, trio.current_time() - began

    real, shown = trio.run(look, clock=AwakeClock())

    assert real == pytest.approx(5)
    assert shown == pytest.approx(0)


async def test_in_virtual_time_real_time_is_virtual(autojump_clock: trio.testing.MockClock):
    before = real_time()
    await trio.sleep(100)
    assert real_time() - before == pytest.approx(100)


def test_trio_runs_by_it():
    async def sleep() -> float:
        began = trio.current_time()
        await trio.sleep(0.05)
        with trio.move_on_after(0.02) as cut:
            await trio.sleep_forever()
        assert cut.cancelled_caught
        return trio.current_time() - began

    assert trio.run(sleep, clock=AwakeClock()) >= 0.07

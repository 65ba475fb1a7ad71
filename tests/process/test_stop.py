"""The ladder of a stop, in virtual time."""

from signal import SIGINT, SIGKILL, SIGTERM

import pytest
import trio

from oxtrio.model.spec import AppSpec, StopSpec
from oxtrio.model.state import State
from oxtrio.process.stop import STUCK_AFTER
from tests.engine import an_app
from tests.process.fakes import Script, Stage, a_stage

Clock = trio.testing.MockClock
EVER = float("inf")


def patient(seconds: float, **rest: object) -> AppSpec:
    return an_app("a", ("x",), stop=StopSpec(timeout=seconds, **rest))  # type: ignore[arg-type]


async def stopped(stage: Stage) -> float:
    """Seconds that a stop takes."""
    stage.start()
    await stage.until(State.RUNNING)
    before = trio.current_time()
    stage.instance.stop("enough")
    await stage.instance.wait(lambda: stage.instance.is_down)
    return trio.current_time() - before


async def test_who_obeys_is_told_once(autojump_clock: Clock, nursery: trio.Nursery) -> None:
    stage = a_stage(nursery, patient(10), Script())

    assert await stopped(stage) == 0
    assert [number for _, number in stage.children.spawned[0].signals] == [SIGTERM]
    assert (stage.state, stage.instance.reason) == (State.STOPPED, "enough")


async def test_who_is_deaf_is_killed_when_patience_runs_out(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, patient(10), Script(deaf_to={SIGTERM}))

    assert await stopped(stage) == 10
    assert stage.children.spawned[0].signals == [(0, SIGTERM), (10, SIGKILL)]


async def test_the_stop_signal_of_the_app_is_used(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, patient(10, signal=SIGINT), Script())

    await stopped(stage)

    assert stage.children.spawned[0].signals == [(0, SIGINT)]


async def test_what_is_left_after_the_leader_has_the_rest_of_the_patience(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, patient(10), Script(leaves=7))

    assert await stopped(stage) == 7
    assert stage.containment.kills == 0


async def test_no_patience_means_kill_at_once(autojump_clock: Clock, nursery: trio.Nursery) -> None:
    stage = a_stage(nursery, patient(0), Script(deaf_to={SIGTERM}))

    assert await stopped(stage) == 0


async def test_a_kill_ends_the_patience(autojump_clock: Clock, nursery: trio.Nursery) -> None:
    stage = a_stage(nursery, patient(600), Script(deaf_to={SIGTERM}))
    stage.start()
    await stage.until(State.RUNNING)
    stage.instance.stop("enough")
    await trio.sleep(5)

    stage.instance.kill()
    await stage.instance.wait(lambda: stage.instance.is_down)

    assert trio.current_time() == pytest.approx(5)


async def test_what_survives_sigkill_is_stuck_and_never_stopped(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, patient(2), Script(deaf_to={SIGTERM}, immortal=60), Script())
    stage.start()
    await stage.until(State.RUNNING)
    stage.instance.stop("enough")
    await stage.until(State.STUCK)

    assert trio.current_time() == pytest.approx(2 + STUCK_AFTER)
    assert "still there after SIGKILL: pid" in stage.instance.reason
    stage.start()  # no second one beside it
    await trio.sleep(10)
    assert len(stage.children.spawned) == 1
    await stage.until(State.RUNNING)

    assert trio.current_time() == pytest.approx(62)
    assert len(stage.children.spawned) == 2
    assert State.STOPPED not in stage.states[: stage.states.index(State.STUCK)]


async def test_what_was_stuck_is_stopped_as_soon_as_it_is_gone(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, patient(2), Script(deaf_to={SIGTERM}, immortal=60))

    assert await stopped(stage) == 62
    assert stage.states[-2:] == [State.STUCK, State.STOPPED]


async def test_a_second_stop_of_what_is_stuck_changes_nothing(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, patient(2), Script(deaf_to={SIGTERM}, immortal=60))
    stage.start()
    await stage.until(State.RUNNING)
    for _ in range(3):
        stage.instance.stop("enough")
        await trio.sleep(5)
    await stage.instance.wait(lambda: stage.instance.is_down)

    assert stage.state is State.STOPPED


async def test_a_stop_of_what_failed_and_is_stuck_is_no_bug(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    """It was to be ended for a fault, cannot be, and then an operator stops it."""
    stage = a_stage(nursery, patient(2), Script(deaf_to={SIGTERM}, immortal=60))
    stage.start()
    await stage.until(State.RUNNING)
    assert stage.instance.run is not None
    stage.instance.run.fail("over its limit")
    await trio.sleep(3)
    assert stage.state is State.STOPPING
    stage.instance.stop("enough")
    await stage.instance.wait(lambda: stage.instance.is_down)

    assert stage.state is State.STOPPED
    assert len(stage.children.spawned) == 1


async def test_leftovers_of_a_crash_are_swept_before_the_next_run(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, patient(20), Script(lasts=5, code=1, leaves=100), Script())
    stage.start()
    await stage.until(State.BACKOFF)
    assert trio.current_time() == 5
    await stage.until(State.RUNNING)

    assert trio.current_time() == 6
    assert stage.containment.kills == 1
    assert stage.children.spawned[0].signals[0] == (5, SIGTERM)


async def test_leftovers_stay_where_nothing_follows_and_go_with_the_stop(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, patient(20), Script(lasts=5, leaves=1000))
    stage.start()
    await stage.until(State.EXITED)
    await trio.sleep(100)
    assert stage.containment.kills == 0

    stage.instance.stop("enough")
    await stage.instance.wait(lambda: stage.instance.is_down)

    assert trio.current_time() == 125
    assert stage.state is State.STOPPED


async def test_a_start_ends_leftovers_before_it_begins_anew(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, patient(20), Script(lasts=5, leaves=1000), Script())
    stage.start()
    await stage.until(State.EXITED)

    stage.start()
    await stage.until(State.RUNNING)

    assert trio.current_time() == 25

"""The life of an instance, in virtual time: when it starts again, and what is said of it."""

from signal import SIGKILL, SIGTERM
from typing import Any

import pytest
import trio

from oxtrio.model.exit import Exit
from oxtrio.model.spec import HealthSpec, OnUnhealthy, ReadySpec, RestartSpec, StopSpec
from oxtrio.model.state import State
from oxtrio.process.life import Outcome
from tests.engine import an_app
from tests.process.fakes import Script, Stage, a_stage

Clock = trio.testing.MockClock
FAILS = Script(lasts=0.001, code=1)


def restarting(**rest: Any) -> Any:
    return an_app("a", ("x",), restart=RestartSpec(**rest), ready=ReadySpec(start=0.5))


def gaps(stage: Stage) -> list[float]:
    times = stage.children.attempts
    return [round(b - a, 2) for a, b in zip(times, times[1:], strict=False)]


# When it starts again.


async def test_one_that_always_fails_is_given_up_after_its_limit(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, restarting(limit=3), FAILS)
    life = stage.start()
    await stage.until(State.CRASHED)

    assert len(stage.children.attempts) == 1 + 3
    assert gaps(stage) == [0.0, 0.1, 0.2]
    assert stage.instance.reason == "exit code 1; failed 4 times in a row"
    assert (life.outcome, stage.instance.restarts) == (Outcome.FAILED, 3)
    await stage.instance.wait(lambda: stage.instance.is_down)


async def test_an_operator_gives_a_new_budget(autojump_clock: Clock, nursery: trio.Nursery) -> None:
    stage = a_stage(nursery, restarting(limit=2), FAILS)
    stage.start()
    await stage.until(State.CRASHED)
    await stage.instance.wait(lambda: stage.instance.is_down)
    stage.restart()
    await stage.instance.wait(lambda: stage.state is not State.CRASHED)
    await stage.until(State.CRASHED)

    assert len(stage.children.attempts) == 6
    assert stage.instance.restarts == 2


async def test_a_run_that_was_stable_clears_what_was_before(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stable = Script(lasts=61, code=1)
    stage = a_stage(nursery, restarting(limit=2), FAILS, FAILS, stable, FAILS, FAILS)
    stage.start()
    await stage.until(State.CRASHED)

    assert len(stage.children.attempts) == 3 + 2
    assert gaps(stage) == [0.0, 0.1, 61.0, 0.1]


async def test_the_delay_of_the_oxfile_doubles_to_its_bound(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, restarting(delay=0.25, delay_max=1.0, limit=5), FAILS)
    stage.start()
    await stage.until(State.CRASHED)

    assert gaps(stage) == [0.25, 0.5, 1.0, 1.0, 1.0]


async def test_no_delay_and_no_limit_is_still_no_busy_loop(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, restarting(delay=0.0, limit=0), Script(lasts=0.0, code=1))
    stage.start()
    await trio.sleep(10)

    assert 20 <= len(stage.children.attempts) <= 120
    assert stage.instance.restarts == len(stage.children.attempts) - 1


async def test_a_failed_spawn_is_a_failure_like_any_other(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    missing = Script(error="command 'x' not found")
    stage = a_stage(nursery, restarting(limit=0), missing, missing, missing, Script())
    life = stage.start()
    await life.settled.wait()
    assert (life.outcome, life.reason) == (Outcome.FAILED, "command 'x' not found")
    await stage.until(State.RUNNING)

    assert gaps(stage) == [0.0, 0.1, 0.2]
    assert stage.instance.past is not None
    assert stage.instance.past.exit.spawn_error == "command 'x' not found"


@pytest.mark.parametrize("ending", [0, 1, 2, 7, 126, 127, 255, -15, -9, -11, -2, -13])
@pytest.mark.parametrize("always", [True, None, False], ids=["always", "on failure", "never"])
async def test_each_end_leads_where_the_oxfile_says(
    autojump_clock: Clock, nursery: trio.Nursery, always: bool | None, ending: int
) -> None:
    spec = restarting(always=always, success_codes=(0, 7))
    stage = a_stage(nursery, spec, Script(), Script())
    stage.start()
    await stage.until(State.RUNNING)
    exit = Exit(code=ending) if ending >= 0 else Exit(signal=-ending)
    stage.children.spawned[0].end(exit)
    await stage.instance.wait(lambda: stage.state is not State.RUNNING)

    good = ending in (0, 7)
    if always or (always is None and not good):
        assert stage.state is State.BACKOFF
        await stage.until(State.RUNNING)
        assert stage.instance.restarts == 1
    else:
        assert stage.state is (State.EXITED if good else State.CRASHED)
    assert stage.instance.past is not None
    assert stage.instance.past.exit == exit


async def test_an_unknown_exit_counts_as_a_failure(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, restarting(), Script(), Script())
    stage.start()
    await stage.until(State.RUNNING)
    stage.children.spawned[0].end(Exit())
    await stage.until(State.BACKOFF)

    assert stage.instance.reason == "exit code unknown"


# Steering.


async def test_a_stop_during_backoff_is_at_once_and_final(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, restarting(delay=30.0), FAILS)
    stage.start()
    await stage.until(State.BACKOFF)
    stage.instance.stop("enough")
    await stage.until(State.STOPPED)

    assert trio.current_time() < 1
    assert stage.instance.next_at is None
    await trio.sleep(100)
    assert len(stage.children.attempts) == 1


@pytest.mark.parametrize("how", ["start", "restart", "reset"])
async def test_who_waits_for_its_next_attempt_makes_it_when_told(
    autojump_clock: Clock, nursery: trio.Nursery, how: str
) -> None:
    stage = a_stage(nursery, restarting(delay=30.0), FAILS, Script())
    stage.start()
    await stage.until(State.BACKOFF)
    await trio.sleep(1)
    {"start": stage.start, "restart": stage.restart, "reset": stage.instance.reset}[how]()
    await stage.until(State.RUNNING)

    assert trio.current_time() < 2
    assert stage.instance.failures == 0
    assert stage.instance.next_at is None


async def test_a_stop_wins_over_a_start_that_is_not_ready(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    spec = an_app("a", ("x",), health=HealthSpec(command="true"))
    stage = a_stage(nursery, spec, Script())
    life = stage.start()
    await stage.until(State.STARTING)
    stage.instance.stop("stopped by the operator")
    await life.settled.wait()

    assert (life.outcome, life.reason) == (Outcome.CANCELLED, "stopped by the operator")
    await stage.until(State.STOPPED)
    await trio.sleep(100)
    assert len(stage.children.spawned) == 1


async def test_a_start_during_a_stop_waits_for_its_end(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    spec = an_app("a", ("x",), stop=StopSpec(timeout=5))
    stage = a_stage(nursery, spec, Script(deaf_to={SIGTERM}), Script())
    stage.start()
    await stage.until(State.RUNNING)
    stage.instance.stop("enough")
    await trio.sleep(1)
    life = stage.start()
    await life.settled.wait()

    assert life.outcome is Outcome.UP
    assert stage.children.attempts == [0, 5]


async def test_a_start_and_a_stop_during_a_stop_end_stopped(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    spec = an_app("a", ("x",), stop=StopSpec(timeout=5))
    stage = a_stage(nursery, spec, Script(deaf_to={SIGTERM}), Script())
    stage.start()
    await stage.until(State.RUNNING)
    stage.instance.stop("enough")
    await trio.sleep(1)
    life = stage.start()
    await trio.sleep(1)
    stage.instance.stop("enough")
    await life.settled.wait()
    await stage.instance.wait(lambda: stage.instance.is_down)

    assert life.outcome is Outcome.CANCELLED
    assert (stage.state, len(stage.children.spawned)) == (State.STOPPED, 1)


@pytest.mark.parametrize("delay", [0.0, 5.0], ids=["at once", "after start_delay"])
@pytest.mark.parametrize("ticks", range(5))
async def test_two_starts_share_one_life(
    autojump_clock: Clock, nursery: trio.Nursery, ticks: int, delay: float
) -> None:
    stage = a_stage(nursery, an_app("a", ("x",), start_delay=delay), Script())
    first = stage.start()
    for _ in range(ticks):
        await trio.lowlevel.checkpoint()
    second = stage.start()
    await second.settled.wait()
    await first.settled.wait()

    assert (first.outcome, second.outcome) == (Outcome.UP, Outcome.UP)
    assert stage.children.attempts == [delay]


async def test_two_restarts_share_one_life(autojump_clock: Clock, nursery: trio.Nursery) -> None:
    stage = a_stage(nursery, an_app("a", ("x",)), Script())
    stage.start()
    await stage.until(State.RUNNING)
    lives = {id(stage.restart()), id(stage.restart())}
    await stage.instance.wait(lambda: stage.instance.has_begun_anew)
    await stage.until(State.RUNNING)

    assert len(lives) == 1
    assert len(stage.children.spawned) == 2


@pytest.mark.parametrize("order", ["stop", "restart"])
@pytest.mark.parametrize("first", ["the order", "the end"])
async def test_an_order_in_the_moment_of_its_end_is_no_bug(
    autojump_clock: Clock, nursery: trio.Nursery, order: str, first: str
) -> None:
    """Both arrive in one tick of the loop, in either order."""
    stage = a_stage(nursery, an_app("a", ("x",)), Script())
    stage.start()
    await stage.until(State.RUNNING)
    steps = [
        lambda: stage.instance.stop("enough") if order == "stop" else stage.restart(),
        lambda: stage.children.spawned[0].end(Exit(signal=SIGKILL)),
        lambda: stage.children.spawned[0].left.set(),
    ]
    for step in steps if first == "the order" else steps[1:] + steps[:1]:
        step()
    await stage.instance.wait(lambda: stage.instance.is_settled)
    await stage.until(State.STOPPED if order == "stop" else State.RUNNING)

    assert len(stage.children.spawned) == (1 if order == "stop" else 2)


async def test_a_fault_in_the_moment_of_its_end_is_no_bug(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, an_app("a", ("x",)), Script())
    stage.start()
    await stage.until(State.RUNNING)
    assert stage.instance.run is not None
    stage.instance.run.fail("over its limit")
    stage.children.spawned[0].end(Exit(code=0))
    await stage.until(State.BACKOFF)
    await stage.until(State.RUNNING)

    assert stage.instance.past is not None
    assert stage.instance.past.why == "over its limit"


async def test_one_that_is_retired_never_comes_back(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, an_app("a", ("x",)), Script())
    stage.start()
    await stage.until(State.RUNNING)
    stage.instance.retire("no longer needed")
    life = stage.restart()
    await life.settled.wait()

    assert life.outcome is Outcome.CANCELLED
    await stage.instance.wait(lambda: stage.instance.is_down)
    assert (stage.state, stage.instance.wanted) == (State.STOPPED, False)
    assert len(stage.children.spawned) == 1


async def test_a_changed_spec_holds_from_the_next_life_on(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, an_app("a", ("old",)), Script())
    stage.start()
    await stage.until(State.RUNNING)
    stage.instance.spec = an_app("a", ("new",))
    assert stage.instance.is_outdated
    stage.restart()
    await stage.instance.wait(lambda: stage.instance.has_begun_anew)
    await stage.until(State.RUNNING)

    assert [child.launch.argv for child in stage.children.spawned] == [("old",), ("new",)]
    assert not stage.instance.is_outdated


async def test_the_number_of_the_instance_is_in_an_array_and_in_a_string(
    autojump_clock: Clock,
    nursery: trio.Nursery,
) -> None:
    for command in (("serve", "--port=800${instance}"), "serve --port=800${instance}"):
        stage = a_stage(nursery, an_app("a", command), Script())
        stage.start()
        await stage.until(State.RUNNING)

        assert "--port=8000" in " ".join(stage.children.spawned[0].launch.argv)


# What is said of it.


async def test_it_is_up_after_its_start_time(autojump_clock: Clock, nursery: trio.Nursery) -> None:
    stage = a_stage(nursery, an_app("a", ("x",), ready=ReadySpec(start=3.0)), Script())
    life = stage.start()
    await life.settled.wait()

    assert stage.told == [(0, State.STARTING, "started"), (3, State.RUNNING, "")]
    assert life.outcome is Outcome.UP


async def test_whoever_starts_a_one_shot_hears_how_it_ends(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, restarting(always=False), Script(lasts=0.5, code=3))
    life = stage.start()
    await life.settled.wait()

    assert (life.outcome, life.reason) == (Outcome.FAILED, "exit code 3")
    assert stage.state is State.CRASHED


async def test_whoever_starts_a_long_one_shot_does_not_wait_for_its_end(
    autojump_clock: Clock,
    nursery: trio.Nursery,
) -> None:
    stage = a_stage(nursery, restarting(always=False), Script(lasts=500))
    life = stage.start()
    await life.settled.wait()

    assert (life.outcome, trio.current_time()) == (Outcome.UP, 1.5)
    await stage.until(State.EXITED)


async def test_a_pause_shows_and_its_end_too(autojump_clock: Clock, nursery: trio.Nursery) -> None:
    stage = a_stage(nursery, an_app("a", ("x",)), Script())
    stage.start()
    await stage.until(State.RUNNING)
    stage.children.spawned[0].pause(True)
    assert (stage.state, stage.instance.reason) == (State.PAUSED, "stopped by SIGSTOP")
    stage.children.spawned[0].pause(False)

    assert stage.state is State.RUNNING


async def test_a_pause_while_it_starts_keeps_nobody_waiting_for_ever(
    autojump_clock: Clock,
    nursery: trio.Nursery,
) -> None:
    stage = a_stage(nursery, an_app("a", ("x",), ready=ReadySpec(start=3.0)), Script())
    life = stage.start()
    await stage.until(State.STARTING)
    stage.children.spawned[0].pause(True)
    await trio.sleep(10)
    assert not life.settled.is_set()
    stage.children.spawned[0].pause(False)

    assert stage.state is State.RUNNING
    assert life.outcome is Outcome.UP


async def test_a_short_pause_while_it_starts_is_forgotten(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, an_app("a", ("x",), ready=ReadySpec(start=3.0)), Script())
    life = stage.start()
    await stage.until(State.STARTING)
    stage.children.spawned[0].pause(True)
    stage.children.spawned[0].pause(False)
    assert stage.state is State.STARTING
    await life.settled.wait()

    assert (stage.state, trio.current_time()) == (State.RUNNING, 3)


async def test_one_that_dies_while_it_is_paused_starts_again(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, an_app("a", ("x",)), Script())
    stage.start()
    await stage.until(State.RUNNING)
    stage.children.spawned[0].pause(True)
    stage.children.spawned[0].end(Exit(signal=SIGKILL))
    await stage.until(State.BACKOFF)
    await stage.until(State.RUNNING)

    assert len(stage.children.spawned) == 2


@pytest.mark.parametrize("answer", list(OnUnhealthy))
async def test_an_unwell_run_is_ended_unless_the_oxfile_says_otherwise(
    autojump_clock: Clock, nursery: trio.Nursery, answer: OnUnhealthy
) -> None:
    spec = an_app("a", ("x",), health=HealthSpec(command="x", on_unhealthy=answer))
    stage = a_stage(nursery, spec, Script())
    stage.start()
    await stage.until(State.STARTING)
    first = stage.instance.run
    assert first is not None
    first.became_ready()
    first.unwell("3 checks failed")
    assert stage.state is State.UNHEALTHY
    if answer is OnUnhealthy.NOTHING:
        first.well()
        assert stage.state is State.RUNNING
        return
    await stage.until(State.BACKOFF)
    await stage.instance.wait(lambda: stage.instance.run is not first)

    assert stage.instance.past is not None
    assert stage.instance.past.fault == "3 checks failed"
    first.unwell("an answer that comes too late")
    assert stage.state is not State.UNHEALTHY


async def test_how_a_stopped_run_ended_is_remembered(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    spec = an_app("a", ("x",), stop=StopSpec(timeout=5))
    stage = a_stage(nursery, spec, Script(lasts=1, code=1), Script(deaf_to={SIGTERM}))
    stage.start()
    await stage.until(State.BACKOFF)
    await stage.until(State.RUNNING)
    stage.instance.stop("enough")
    await stage.instance.wait(lambda: stage.instance.is_down)

    assert stage.instance.past is not None
    assert stage.instance.past.exit == Exit(signal=SIGKILL, sent_by_us=True)
    assert stage.instance.started_at is None


async def test_while_it_waits_for_others_nothing_is_spawned(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, an_app("a", ("x",)), Script(), hold=True)
    life = stage.start()
    await stage.until(State.BLOCKED)
    assert stage.start() is life
    await trio.sleep(100)
    assert stage.children.attempts == []
    stage.held.set()
    await stage.until(State.RUNNING)

    assert stage.states == [State.BLOCKED, State.STARTING, State.RUNNING]


async def test_a_stop_while_it_waits_for_others_ends_the_waiting(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    stage = a_stage(nursery, an_app("a", ("x",)), Script(), hold=True)
    stage.start()
    await stage.until(State.BLOCKED)
    stage.instance.stop("enough")
    await stage.until(State.STOPPED)
    stage.held.set()
    await trio.sleep(1)

    assert stage.children.attempts == []

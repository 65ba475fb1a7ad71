"""One life takes over from another, in virtual time: who serves, who ends, who never noticed."""

import gc
from collections.abc import Callable
from dataclasses import replace
from signal import SIGCONT, SIGKILL, SIGTERM

import pytest
import trio

from oxtrio.errors import AddressTaken, Refused
from oxtrio.model.exit import Exit
from oxtrio.model.spec import AppSpec, HealthSpec, ListenSpec, ReadySpec, RestartSpec, StopSpec
from oxtrio.model.state import Happening, State
from oxtrio.process.life import Life, Outcome
from tests.engine import an_app
from tests.process.fakes import FakeChild, FakeNet, Script, Stage, a_stage

Clock = trio.testing.MockClock

WEB = ListenSpec(host="127.0.0.1", port=8000)
DEAF = Script(deaf_to={SIGTERM})
PATIENCE = 5.0


def web(**rest: object) -> AppSpec:
    """A held app; each of its runs is ready after a second."""
    plain = an_app(
        "a",
        ("x",),
        listen=(WEB,),
        ready=ReadySpec(timeout=30.0),
        stop=StopSpec(timeout=PATIENCE),
    )
    return replace(plain, **rest)  # type: ignore[arg-type]


CHECKED = HealthSpec(command="x")
"""Passed or failed by the test itself."""


async def running(stage: Stage) -> FakeChild:
    """The first run, ready."""
    stage.start()
    await stage.until(State.STARTING)
    if stage.instance.spec.health is not None:
        pass_check(stage)
    await stage.until(State.RUNNING)
    return stage.children.spawned[-1]


def pass_check(stage: Stage) -> None:
    life = stage.instance.newcomer or stage.instance.life
    assert life is not None
    assert life.run is not None
    life.run.became_ready()


async def on_trial(stage: Stage, spec: AppSpec | None = None) -> tuple[Life, FakeChild]:
    """A newcomer that lives, and is not ready."""
    before = len(stage.children.spawned)
    life = stage.succeed(spec)
    await until(stage, lambda: life.run is not None)
    assert len(stage.children.spawned) == before + 1
    return life, stage.children.spawned[-1]


async def until(stage: Stage, condition: Callable[[], bool]) -> None:
    await stage.instance.wait(condition)


async def down(stage: Stage) -> None:
    await until(stage, lambda: stage.instance.is_down)


def alive(stage: Stage) -> int:
    return sum(child.alive for child in stage.children.spawned)


def facts(stage: Stage) -> tuple[object, ...]:
    """All that must not change when a newcomer fails."""
    it = stage.instance
    return (it.state, it.pid, it.place, it.restarts, it.since, it.reason, it.started_at, it.life,
            it.serving, it.spec, it.past)  # fmt: skip


def own_signals(child: FakeChild) -> list[int]:
    return [number for _, number in child.signals if number != SIGCONT]


@pytest.fixture
def net() -> FakeNet:
    return FakeNet(accepts_after=1.0)


# It takes over.


async def test_a_newcomer_that_is_ready_gets_all_connections_and_the_old_one_ends(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), net=net)
    old = await running(stage)
    life, new = await on_trial(stage)
    assert (stage.instance.pid, stage.instance.shown) == (old.pid, State.RELOADING)
    assert net.serving(WEB) == [0]
    await life.settled.wait()

    assert (life.outcome, stage.instance.pid) == (Outcome.UP, new.pid)
    assert (stage.state, stage.instance.shown) == (State.RUNNING, State.RUNNING)
    assert net.serving(WEB) == [1]
    await until(stage, lambda: not old.alive)
    assert own_signals(old) == [SIGTERM]
    assert own_signals(new) == []
    assert (net.told[0], net.told[-1]) == ((0, f"{WEB} [0]"), (2, f"{WEB} [1]"))


async def test_it_is_told_what_becomes_of_the_newcomer(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    told: list[tuple[str, int | None]] = []
    life = Life(cause="reloaded", inherited={}, tell=lambda what, pid: told.append((what, pid)))
    life.preparation = stage.instance.prepare(life, stage.instance.spec)
    stage.instance.succeed(life)
    await life.settled.wait()

    pid = stage.children.spawned[-1].pid
    assert told == [(f"spawned pid {pid}", pid), ("switched", pid)]
    assert stage.happened[-2:] == [Happening.NEWCOMER, Happening.REPLACED]


async def test_the_old_one_is_stopped_only_when_all_that_had_arrived_is_accepted(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    net.drains_for = 2.0
    stage = a_stage(nursery, web(), Script(), net=net)
    old = await running(stage)
    life, _ = await on_trial(stage)
    await life.settled.wait()
    switched = trio.current_time()
    await until(stage, lambda: not old.alive)

    assert trio.current_time() == switched + 2


async def test_a_client_that_never_finishes_its_handshake_is_not_waited_for(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    net.drains_for = 1000.0
    stage = a_stage(nursery, web(), Script(), net=net)
    old = await running(stage)
    life, _ = await on_trial(stage)
    await life.settled.wait()
    switched = trio.current_time()
    await until(stage, lambda: not old.alive)

    assert trio.current_time() == switched + 3


async def test_a_newcomer_brings_its_spec_and_what_crashes_later_starts_with_it(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    life, new = await on_trial(stage, web(command=("new",)))
    assert stage.instance.spec.command == ("x",)
    await life.settled.wait()
    assert stage.instance.spec.command == ("new",)
    new.end(Exit(signal=SIGKILL))
    await until(stage, lambda: stage.state is State.STARTING)

    assert [child.launch.argv for child in stage.children.spawned] == [("x",), ("new",), ("new",)]
    assert net.serving(WEB) == [1]  # the queue of the newcomer waits for its next run


async def test_restarts_go_on_being_counted_through_a_reload(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(lasts=5, code=1), Script(), net=net)
    await running(stage)
    await until(stage, lambda: stage.instance.restarts == 1)
    await stage.until(State.RUNNING)
    life, _ = await on_trial(stage)
    await life.settled.wait()

    assert (stage.instance.restarts, stage.instance.failures) == (1, 0)
    assert stage.instance.next_at is None


async def test_without_an_address_a_newcomer_takes_over_just_the_same(
    autojump_clock: Clock, nursery: trio.Nursery
) -> None:
    spec = an_app("a", ("x",), ready=ReadySpec(start=2.0))
    stage = a_stage(nursery, spec, Script())
    old = await running(stage)
    life, new = await on_trial(stage)
    await life.settled.wait()

    assert stage.instance.pid == new.pid
    await until(stage, lambda: not old.alive)
    assert (stage.instance.place, stage.state) == (None, State.RUNNING)


async def test_addresses_may_change_and_each_is_held_as_long_as_somebody_is_there(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    other = ListenSpec(host="127.0.0.1", port=9000)
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    life, _ = await on_trial(stage, web(listen=(other,)))
    assert net.held == [str(WEB), str(other)]
    await life.settled.wait()

    assert net.held == [str(other)]
    assert stage.instance.place is not None
    assert stage.instance.place.listens == (other,)


@pytest.mark.parametrize("count", [1, 2])
async def test_slots_are_used_again_and_again(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet, count: int
) -> None:
    listens = (WEB, ListenSpec(host="127.0.0.1", port=9000))[:count]
    stage = a_stage(nursery, web(listen=listens), Script(), net=net)
    await running(stage)
    for _ in range(20):
        life, _ = await on_trial(stage)
        await life.settled.wait()
        await until(stage, lambda: alive(stage) == 1)
        await trio.sleep(1)

    for group in net.groups:
        assert {slot.number for slot in group.slots} == {0, 1}
        assert sum(not slot.released for slot in group.slots) == 1
    assert len(net.groups) == count


async def test_a_hundred_reloads_remember_no_more_than_one(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    for _ in range(100):
        life, _ = await on_trial(stage)
        await life.settled.wait()
        await until(stage, lambda: alive(stage) == 1)
    del life
    await trio.testing.wait_all_tasks_blocked()
    gc.collect()

    lives = [each for each in gc.get_objects() if isinstance(each, Life)]
    assert len(lives) == 1


# It does not make it.

FAILURES = [
    pytest.param(Script(lasts=0.0, code=1), web(), "exit code 1", id="exits at once"),
    pytest.param(Script(lasts=0.5, code=1), web(), "exit code 1", id="exits before it is ready"),
    pytest.param(Script(lasts=0.5, code=0), web(), "exit code 0", id="ends as if all was well"),
    pytest.param(
        Script(), web(health=CHECKED), "not ready within 30 s", id="never passes its check"
    ),
    pytest.param(DEAF, web(health=CHECKED), "not ready within 30 s", id="does not end either"),
    pytest.param(Script(error="'x' not found"), web(), "'x' not found", id="cannot be started"),
]


@pytest.mark.parametrize(("script", "spec", "reason"), FAILURES)
async def test_where_the_newcomer_fails_the_old_one_has_never_noticed(
    autojump_clock: Clock,
    nursery: trio.Nursery,
    net: FakeNet,
    script: Script,
    spec: AppSpec,
    reason: str,
) -> None:
    stage = a_stage(nursery, web(), Script(), script, net=net)
    old = await running(stage)
    before, routes = facts(stage), list(net.told)
    life = stage.succeed(spec)
    await life.settled.wait()
    assert (life.outcome, life.reason) == (Outcome.FAILED, reason)
    await life.over.wait()

    assert facts(stage) == before
    assert net.told == routes
    assert (old.signals, stage.instance.shown) == ([], State.RUNNING)
    assert stage.happened[-1] is Happening.REJECTED
    assert stage.instance.can_be_succeeded()
    assert alive(stage) == 1
    await trio.sleep(100)
    assert alive(stage) == 1


async def test_what_a_newcomer_said_before_it_failed_is_kept(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), Script(lasts=0.5, code=3), net=net)
    await running(stage)
    life, _ = await on_trial(stage)
    await life.over.wait()

    assert life.rejected is not None
    assert (life.rejected.exit, life.rejected.why) == (Exit(code=3), "exit code 3")
    assert stage.instance.past is None


async def test_a_newcomer_whose_check_gives_it_up_is_rejected_with_that_reason(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(health=CHECKED), Script(), net=net)
    await running(stage)
    before = facts(stage)
    life, new = await on_trial(stage)
    assert life.run is not None
    life.run.never_ready("health check did not pass within 5 s: 503")
    await life.over.wait()

    assert (life.outcome, life.reason) == (
        Outcome.FAILED,
        "health check did not pass within 5 s: 503",
    )
    assert (facts(stage), new.alive) == (before, False)


async def test_a_newcomer_that_fell_ill_before_it_said_ready_is_rejected(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    """Its check has passed, its log line is awaited; then its check fails three times."""
    spec = web(health=CHECKED, ready=ReadySpec(log_line="ready", timeout=30.0))
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    before = facts(stage)
    life, new = await on_trial(stage, spec)
    assert life.run is not None
    life.run.became_ready()
    life.run.unwell("3 health checks in a row failed")
    await life.over.wait()

    assert (life.outcome, life.reason) == (Outcome.FAILED, "3 health checks in a row failed")
    assert (facts(stage), new.alive) == (before, False)


@pytest.mark.parametrize(
    "trouble",
    [
        AddressTaken("cannot hold it: in use by nginx (pid 7)"),
        Refused("cannot hold it: permission denied"),
    ],
    ids=["in use", "refused"],
)
async def test_where_a_new_address_cannot_be_held_the_old_one_has_never_noticed(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet, trouble: AddressTaken | Refused
) -> None:
    other = ListenSpec(host="127.0.0.1", port=9000)
    net.taken[str(other)] = trouble
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    before = facts(stage)
    life = stage.succeed(web(listen=(WEB, other)))
    await life.over.wait()

    assert (life.outcome, life.reason) == (Outcome.FAILED, trouble.message)
    assert facts(stage) == before
    assert net.serving(WEB) == [0]
    assert len(stage.children.attempts) == 1


async def test_without_a_descriptor_for_its_socket_the_old_one_has_never_noticed(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    before = facts(stage)
    net.take_error = OSError(24, "Too many open files")
    life = stage.succeed()
    await life.over.wait()

    assert (life.outcome, "too many open files" in life.reason) == (Outcome.FAILED, True)
    assert (facts(stage), stage.bugs) == (before, [])


async def test_a_bug_in_the_life_of_a_newcomer_is_reported_and_hurts_nothing_else(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), net=net)
    old = await running(stage)
    before = facts(stage)
    life = Life(cause="reloaded", inherited={}, tell=_fall)
    life.preparation = stage.instance.prepare(life, stage.instance.spec)
    stage.instance.succeed(life)
    await life.over.wait()

    assert (life.outcome, life.reason) == (Outcome.FAILED, "internal error")
    assert (facts(stage), old.signals) == (before, [])
    assert len(stage.bugs) == 1
    assert alive(stage) == 1
    after, _ = await on_trial(stage)
    await after.settled.wait()
    assert after.outcome is Outcome.UP


async def test_a_bug_in_the_life_in_front_leaves_nobody_waiting_for_the_newcomer(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(health=CHECKED), Script(), net=net)
    old = await running(stage)
    life, new = await on_trial(stage)
    old.on_pause = None
    front = stage.instance.run
    assert front is not None
    front.as_ended = _fall  # type: ignore[method-assign,assignment]
    old.end(Exit(code=1))
    await life.over.wait()

    assert life.settled.is_set()
    assert (life.outcome, new.alive) == (Outcome.CANCELLED, False)
    await stage.until(State.STARTING)
    assert len(stage.bugs) == 1
    pass_check(stage)
    await stage.until(State.RUNNING)


def _fall(*_: object) -> None:
    raise RuntimeError("a bug")


# The old one ends meanwhile.


async def test_an_old_one_that_crashes_during_the_trial_comes_back_and_is_replaced(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(health=CHECKED), Script(), net=net)
    old = await running(stage)
    life, new = await on_trial(stage)
    old.end(Exit(signal=SIGKILL))
    await stage.until(State.BACKOFF)
    await stage.until(State.STARTING)
    again = stage.children.spawned[-1]
    assert again is not new
    assert net.serving(WEB) == [0]
    assert stage.instance.run is not None
    stage.instance.run.became_ready()
    assert stage.instance.shown is State.RELOADING
    pass_check(stage)
    await life.settled.wait()

    assert (life.outcome, stage.instance.pid) == (Outcome.UP, new.pid)
    await until(stage, lambda: not again.alive)
    assert net.serving(WEB) == [1]
    assert stage.instance.restarts == 1


@pytest.mark.parametrize("ready", [False, True], ids=["in backoff", "not ready again"])
async def test_a_newcomer_takes_over_from_one_that_is_down_or_not_ready(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet, ready: bool
) -> None:
    restart = RestartSpec(delay=0.0 if ready else 20.0)
    stage = a_stage(nursery, web(health=CHECKED, restart=restart), Script(), net=net)
    old = await running(stage)
    life, new = await on_trial(stage)
    old.end(Exit(code=1))
    await stage.until(State.STARTING if ready else State.BACKOFF)
    pass_check(stage)
    await life.settled.wait()

    assert (life.outcome, stage.state) == (Outcome.UP, State.RUNNING)
    assert (stage.instance.pid, stage.instance.next_at) == (new.pid, None)
    await until(stage, lambda: alive(stage) == 1)
    await trio.sleep(100)
    assert (alive(stage), len(stage.children.spawned)) == (1, 3 if ready else 2)


@pytest.mark.parametrize(
    ("limit", "code", "state"),
    [(1, 1, State.CRASHED), (15, 0, State.EXITED)],
    ids=["given up", "as meant"],
)
async def test_a_newcomer_takes_over_from_one_that_will_not_return(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet, limit: int, code: int, state: State
) -> None:
    spec = web(health=CHECKED, restart=RestartSpec(limit=limit))
    scripts = Script(), Script(), Script(lasts=0.1, code=code)
    stage = a_stage(nursery, spec, *scripts, net=net)
    old = await running(stage)
    life, new = await on_trial(stage)
    old.end(Exit(code=code))
    await stage.until(state)
    assert net.serving(WEB) == [1]  # nobody else is left
    assert stage.instance.shown is state
    await trio.sleep(5)
    pass_check(stage)
    await life.settled.wait()

    assert (life.outcome, stage.instance.pid) == (Outcome.UP, new.pid)
    assert stage.state is State.RUNNING
    stage.instance.stop("enough")
    await down(stage)
    assert (net.held, stage.state) == ([], State.STOPPED)


async def test_where_both_end_for_good_the_address_is_given_up(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(health=CHECKED), Script(), Script(lasts=9, code=1), net=net)
    old = await running(stage)
    life, _ = await on_trial(stage)
    old.end(Exit(code=0))
    await life.over.wait()
    await until(stage, lambda: stage.instance.is_down)

    assert (life.outcome, stage.state) == (Outcome.FAILED, State.EXITED)
    assert net.held == []


@pytest.mark.parametrize("first", ["ready", "end"])
async def test_readiness_in_the_moment_of_the_end_of_the_old_one_is_no_bug(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet, first: str
) -> None:
    stage = a_stage(nursery, web(health=CHECKED), Script(), net=net)
    old = await running(stage)
    life, new = await on_trial(stage)
    steps = [lambda: pass_check(stage), lambda: old.end(Exit(code=1))]
    for step in steps if first == "ready" else steps[::-1]:
        step()
    await life.settled.wait()
    await until(stage, lambda: alive(stage) == 1)

    assert (life.outcome, stage.instance.pid) == (Outcome.UP, new.pid)
    assert stage.state is State.RUNNING
    await trio.sleep(100)
    assert (alive(stage), stage.bugs) == (1, [])


@pytest.mark.parametrize("first", ["ready", "end"])
async def test_readiness_in_the_moment_of_its_own_end_is_no_bug(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet, first: str
) -> None:
    stage = a_stage(nursery, web(health=CHECKED), Script(), net=net)
    await running(stage)
    life, new = await on_trial(stage)
    steps = [lambda: pass_check(stage), lambda: new.end(Exit(code=1))]
    for step in steps if first == "ready" else steps[::-1]:
        step()
    await life.settled.wait()
    await trio.sleep(20)
    if stage.state is not State.RUNNING:
        pass_check(stage)

    assert (stage.state, alive(stage), stage.bugs) == (State.RUNNING, 1, [])


async def test_what_an_old_one_left_behind_for_ever_is_no_business_of_the_newcomer(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    """It crashes during the trial, and something of it survives even SIGKILL."""
    first = Script(leaves=100.0, clings=True)
    stage = a_stage(nursery, web(health=CHECKED), first, Script(), net=net)
    old = await running(stage)
    life, new = await on_trial(stage)
    old.end(Exit(code=1))
    await trio.sleep(1)
    pass_check(stage)
    await life.settled.wait()
    await trio.sleep(20)

    assert (life.outcome, stage.bugs) == (Outcome.UP, [])
    assert (stage.state, stage.instance.pid) == (State.RUNNING, new.pid)


# The old one does not end.


async def test_an_old_one_that_is_deaf_is_killed_when_its_patience_is_over(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), DEAF, Script(), net=net)
    old = await running(stage)
    life, _ = await on_trial(stage)
    await life.settled.wait()
    switched = trio.current_time()
    await until(stage, lambda: not old.alive)

    assert trio.current_time() == switched + PATIENCE
    assert own_signals(old) == [SIGTERM, SIGKILL]
    assert (stage.state, alive(stage)) == (State.RUNNING, 1)
    assert stage.instance.past is None


async def test_a_second_newcomer_takes_over_while_the_first_old_one_is_still_there(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    deaf_for_long = web(stop=StopSpec(timeout=60))
    stage = a_stage(nursery, deaf_for_long, DEAF, Script(), net=net)
    old = await running(stage)
    for _ in range(2):
        life, newest = await on_trial(stage)
        await life.settled.wait()
    await until(stage, lambda: alive(stage) == 2)

    assert old.alive
    assert (stage.instance.pid, net.serving(WEB)) == (newest.pid, [2])
    assert [slot.released for slot in net.groups[0].slots] == [False, True, False]
    stage.instance.stop("enough")
    await trio.sleep(1)
    assert (alive(stage), stage.state, stage.instance.is_down) == (1, State.STOPPING, False)
    await down(stage)
    assert (alive(stage), stage.state) == (0, State.STOPPED)


async def test_an_old_one_that_cannot_be_killed_is_in_nobodys_way_until_all_shall_stop(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(immortal=100.0), Script(), net=net)
    await running(stage)
    life, new = await on_trial(stage)
    await life.settled.wait()
    await trio.sleep(30)
    assert (stage.state, stage.instance.pid) == (State.RUNNING, new.pid)
    stage.instance.stop("enough")
    await stage.until(State.STUCK)
    assert not new.alive
    await down(stage)

    assert (stage.state, trio.current_time() > 100) == (State.STOPPED, True)


# An operator wants something else meanwhile.

DRAINING = "draining"
TRIAL = "trial"


@pytest.mark.parametrize("order", ["stop", "retire"])
async def test_a_stop_during_the_trial_ends_both(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet, order: str
) -> None:
    stage = a_stage(nursery, web(health=CHECKED), Script(), net=net)
    await running(stage)
    life, _ = await on_trial(stage)
    getattr(stage.instance, order)("enough")
    await life.settled.wait()
    assert (life.outcome, life.reason) == (Outcome.CANCELLED, "enough")
    await down(stage)

    assert (stage.state, alive(stage), net.held) == (State.STOPPED, 0, [])
    assert life.over.is_set()
    assert stage.instance.newcomer is None


async def test_a_stop_before_the_newcomer_was_spawned_ends_it_at_once(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    life = stage.succeed()
    stage.instance.stop("enough")
    await life.over.wait()
    await down(stage)

    assert life.outcome is Outcome.CANCELLED
    assert len(stage.children.spawned) == 1


@pytest.mark.parametrize("deaf", ["old", "new"])
async def test_it_is_stopped_only_when_nothing_of_either_is_left(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet, deaf: str
) -> None:
    scripts = (DEAF, Script()) if deaf == "old" else (Script(), DEAF)
    stage = a_stage(nursery, web(health=CHECKED), *scripts, net=net)
    await running(stage)
    await on_trial(stage)
    stage.instance.stop("enough")
    await trio.sleep(1)
    assert (alive(stage), stage.state, stage.instance.is_down) == (1, State.STOPPING, False)
    await stage.until(State.STOPPED)

    assert (alive(stage), stage.instance.is_down) == (0, True)


async def test_a_stop_while_the_old_one_still_drains_waits_for_both(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    net.drains_for = 1000.0
    stage = a_stage(nursery, web(), DEAF, Script(), net=net)
    old = await running(stage)
    life, _ = await on_trial(stage)
    await life.settled.wait()
    await trio.sleep(1)
    assert net.draining == [0]
    stage.instance.stop("enough")
    await trio.sleep(1)

    assert (stage.state, old.alive, stage.instance.is_down) == (State.STOPPING, True, False)
    assert own_signals(old) == [SIGTERM]  # nobody drains at a closed address
    await stage.until(State.STOPPED)
    assert (alive(stage), stage.instance.is_down, net.held) == (0, True, [])


async def test_a_restart_during_the_trial_begins_when_both_are_gone(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(health=CHECKED), Script(), DEAF, Script(), net=net)
    await running(stage)
    trial, deaf = await on_trial(stage)
    life = stage.restart()
    assert trial.outcome is Outcome.CANCELLED
    await until(stage, lambda: life.run is not None)

    assert (deaf.alive, alive(stage)) == (False, 1)
    assert trio.current_time() == PATIENCE
    pass_check(stage)
    await life.settled.wait()
    assert (life.outcome, stage.state) == (Outcome.UP, State.RUNNING)
    assert net.told[0] == (0, f"{WEB} [0]")
    assert net.held == [str(WEB)]


async def test_a_restart_never_gives_the_address_up(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    life = stage.restart()
    await life.settled.wait()

    assert net.told == [(0, f"{WEB} [0]")]


async def test_a_start_during_the_trial_changes_nothing(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    life, _ = await on_trial(stage)
    assert stage.start() is not life
    await life.settled.wait()

    assert (life.outcome, len(stage.children.spawned)) == (Outcome.UP, 2)


@pytest.mark.parametrize("when", [TRIAL, DRAINING])
async def test_a_kill_ends_all_of_it_at_once(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet, when: str
) -> None:
    stage = a_stage(nursery, web(health=CHECKED), DEAF, net=net)
    await running(stage)
    life, _ = await on_trial(stage)
    if when == DRAINING:
        pass_check(stage)
        await life.settled.wait()
    began = trio.current_time()
    stage.instance.stop("killed by the operator")
    stage.instance.kill()
    await down(stage)

    assert trio.current_time() - began < 0.1
    assert (alive(stage), stage.state) == (0, State.STOPPED)


# What holds through it.


async def test_one_that_was_drained_stays_drained_through_a_reload(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    place = stage.instance.place
    assert place is not None
    sockets = place._sockets
    beside = await sockets.claim("a", (WEB,), place.turn)
    assert net.serving(WEB) == [0, 1]
    stage.instance.drain(drained=True)
    assert (stage.instance.shown, net.serving(WEB)) == (State.DRAINED, [1])
    life, _ = await on_trial(stage)
    await life.settled.wait()

    assert (stage.instance.shown, net.serving(WEB)) == (State.DRAINED, [1])
    stage.instance.drain(drained=False)
    assert (stage.instance.shown, net.serving(WEB)) == (State.RUNNING, [1, 2])
    assert stage.happened[-1] is Happening.RESUMED
    beside.move(type(place.turn).LEAVING)


async def test_a_stop_forgets_that_it_was_drained(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    stage.instance.drain(drained=True)
    stage.instance.stop("enough")
    await down(stage)
    stage.start()
    await stage.until(State.RUNNING)

    assert stage.instance.shown is State.RUNNING


async def test_one_that_is_paused_is_replaced_by_one_that_runs(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), net=net)
    old = await running(stage)
    old.pause(True)
    assert stage.state is State.PAUSED
    life, new = await on_trial(stage)
    assert stage.instance.shown is State.RELOADING
    await life.settled.wait()

    assert (life.outcome, stage.state, stage.instance.pid) == (Outcome.UP, State.RUNNING, new.pid)
    await until(stage, lambda: not old.alive)
    old.pause(False)
    assert stage.state is State.RUNNING


async def test_what_happens_to_the_old_one_after_the_switch_is_not_shown(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    net.drains_for = 3.0
    stage = a_stage(nursery, web(health=CHECKED), Script(), net=net)
    await running(stage)
    before = stage.instance.run
    assert before is not None
    life, _ = await on_trial(stage)
    pass_check(stage)
    await life.settled.wait()
    before.unwell("3 health checks in a row failed")
    before.well()
    before.fail("over its limit")
    await until(stage, lambda: alive(stage) == 1)

    assert (stage.state, stage.instance.past, stage.bugs) == (State.RUNNING, None, [])


@pytest.mark.parametrize("state", [State.STARTING, State.BACKOFF, State.STOPPED, State.BLOCKED])
async def test_nobody_takes_over_from_one_that_does_not_serve(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet, state: State
) -> None:
    script = Script(lasts=0.1, code=1) if state is State.BACKOFF else Script()
    spec = web(restart=RestartSpec(delay=10.0))
    stage = a_stage(nursery, spec, script, hold=state is State.BLOCKED, net=net)
    if state is not State.STOPPED:
        stage.start()
        await stage.until(state)

    assert not stage.instance.can_be_succeeded()


async def test_one_newcomer_at_a_time(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    assert stage.instance.can_be_succeeded()
    life, _ = await on_trial(stage)
    assert not stage.instance.can_be_succeeded()
    await life.settled.wait()

    assert stage.instance.can_be_succeeded()


# An address is held as long as the app is wanted.


async def test_an_address_is_held_through_crash_and_backoff(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(restart=RestartSpec(delay=10.0)), Script(), net=net)
    old = await running(stage)
    old.end(Exit(signal=SIGKILL))
    await stage.until(State.BACKOFF)
    assert net.held == [str(WEB)]
    await stage.until(State.RUNNING)

    assert net.told == [(0, f"{WEB} [0]")]


@pytest.mark.parametrize(
    ("code", "state"), [(0, State.EXITED), (1, State.CRASHED)], ids=["as meant", "given up"]
)
async def test_an_address_is_given_up_with_what_will_not_return(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet, code: int, state: State
) -> None:
    always = False if code else None
    stage = a_stage(nursery, web(restart=RestartSpec(always=always)), Script(), net=net)
    old = await running(stage)
    old.end(Exit(code=code))
    await stage.until(state)
    assert net.held == []
    await down(stage)
    stage.start()
    await stage.until(State.RUNNING)

    assert net.held == [str(WEB)]


async def test_an_address_is_not_held_while_a_dependency_is_waited_for(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), Script(), hold=True, net=net)
    stage.start()
    await stage.until(State.BLOCKED)
    assert net.held == []
    stage.held.set()
    await stage.until(State.RUNNING)

    assert net.held == [str(WEB)]


async def test_an_address_is_given_up_when_the_stop_begins(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    stage = a_stage(nursery, web(), DEAF, net=net)
    await running(stage)
    stage.instance.stop("enough")
    await stage.until(State.STOPPING)
    assert net.held == []
    await down(stage)


@pytest.mark.parametrize("ticks", range(12))
@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
async def test_a_stop_at_any_moment_of_the_start_gives_the_address_up(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet, ticks: int, again: bool
) -> None:
    stage = a_stage(nursery, web(), Script(lasts=2, code=0), Script(), net=net)
    if again:
        await running(stage)
        await stage.until(State.EXITED)
        await down(stage)
    stage.start()
    for _ in range(ticks):
        await trio.lowlevel.checkpoint()
    stage.instance.stop("enough")
    await down(stage)

    assert (net.held, stage.state, alive(stage)) == ([], State.STOPPED, 0)
    assert stage.instance.place is None


async def test_an_app_whose_address_is_taken_comes_up_when_it_is_free(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    net.taken[str(WEB)] = AddressTaken("cannot hold it: in use by nginx (pid 7)", "kill 7")
    stage = a_stage(nursery, web(), Script(), net=net)
    life = stage.start()
    await life.settled.wait()
    assert (life.outcome, life.reason, life.hint) == (
        Outcome.FAILED,
        "cannot hold it: in use by nginx (pid 7)",
        "kill 7",
    )
    await stage.until(State.BACKOFF)
    net.taken.clear()
    await stage.until(State.RUNNING)

    assert net.held == [str(WEB)]
    assert len(stage.children.attempts) == 1


async def test_of_several_addresses_none_is_held_where_one_is_taken(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    other = ListenSpec(host="127.0.0.1", port=9000)
    net.taken[str(other)] = AddressTaken("in use")
    stage = a_stage(nursery, web(listen=(WEB, other)), Script(), net=net)
    life = stage.start()
    await life.settled.wait()

    assert (life.outcome, net.held) == (Outcome.FAILED, [])
    stage.instance.stop("enough")
    await down(stage)


async def test_a_known_server_whose_address_cannot_be_held_is_started_as_by_hand(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    net.taken["127.0.0.1:80"] = Refused("cannot hold 127.0.0.1:80: ports below 1024 are for root")
    stage = a_stage(nursery, an_app("a", "uvicorn main:app --port 80"), Script(), net=net)
    stage.start()
    await stage.until(State.RUNNING)

    assert "UVICORN_FD" not in stage.children.spawned[0].launch.env
    assert stage.children.spawned[0].launch.sockets == ()
    assert stage.instance.serving is not None
    assert "ports below 1024 are for root" in stage.instance.serving.succession.gap


async def test_an_address_that_changes_its_host_is_held_anew_at_a_restart(
    autojump_clock: Clock, nursery: trio.Nursery, net: FakeNet
) -> None:
    """Both at once would be refused: who holds `0.0.0.0:8000` is in the way of `127.0.0.1:8000`."""
    everywhere = ListenSpec(host="0.0.0.0", port=8000)
    stage = a_stage(nursery, web(), Script(), net=net)
    await running(stage)
    net.excludes = {str(everywhere): str(WEB)}
    stage.instance.spec = web(listen=(everywhere,))
    life = stage.restart()
    await life.settled.wait()

    assert (life.outcome, net.held) == (Outcome.UP, [str(everywhere)])

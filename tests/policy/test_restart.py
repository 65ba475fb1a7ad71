"""What follows when a run has ended."""

import pytest

from oxtrio.model.exit import Exit
from oxtrio.model.spec import RestartSpec
from oxtrio.policy.restart import (
    BURST,
    Ended,
    GiveUp,
    Leave,
    Retry,
    Streak,
    after_run,
    describe,
)

OK, FAIL, KILLED, UNKNOWN = Exit(code=0), Exit(code=1), Exit(signal=9), Exit()


def decide(spec, exit, streak=None, *, lasted=0.5, now=100.0, fault="", chance=0.0):
    return after_run(
        spec, Ended(exit=exit, lasted=lasted, fault=fault), streak or Streak(), now, chance
    )


@pytest.mark.parametrize(
    ("always", "exit", "kind"),
    [
        (None, OK, Leave),
        (None, FAIL, Retry),
        (None, KILLED, Retry),
        (None, UNKNOWN, Retry),
        (True, OK, Retry),
        (True, FAIL, Retry),
        (True, KILLED, Retry),
        (False, OK, Leave),
        (False, FAIL, GiveUp),
        (False, KILLED, GiveUp),
        (False, UNKNOWN, GiveUp),
    ],
)
def test_the_policy_decides_whether_it_starts_again(always, exit, kind):
    assert isinstance(decide(RestartSpec(always=always), exit), kind)


def test_the_codes_that_count_as_success_are_the_apps_own():
    spec = RestartSpec(success_codes=(3,))

    assert decide(spec, Exit(code=3)) == Leave()
    assert isinstance(decide(spec, OK), Retry)


def test_a_run_that_was_ended_for_a_fault_has_failed_whatever_its_exit():
    assert isinstance(decide(RestartSpec(), OK, fault="3 health checks in a row failed"), Retry)
    assert isinstance(decide(RestartSpec(always=False), OK, fault="over its limit"), GiveUp)


def delays(spec, count, *, exit=FAIL, apart=5.0, lasted=0.5):
    streak, now, found = Streak(), 0.0, []
    for _ in range(count):
        decision = after_run(spec, Ended(exit=exit, lasted=lasted), streak, now, 0.0)
        assert isinstance(decision, Retry)
        found.append(decision.delay)
        streak, now = decision.streak, now + apart
    return found


def test_without_a_named_delay_the_first_restart_is_at_once_and_then_it_grows():
    assert delays(RestartSpec(), 6) == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6]


def test_a_named_delay_is_the_first_and_doubles():
    assert delays(RestartSpec(delay=2.0), 4) == [2.0, 4.0, 8.0, 16.0]


def test_the_delay_is_capped():
    assert delays(RestartSpec(delay=2.0, delay_max=5.0, limit=0), 5) == [2.0, 4.0, 5.0, 5.0, 5.0]


def test_a_first_delay_above_the_cap_is_still_honoured():
    assert delays(RestartSpec(delay=90.0, limit=0), 2) == [90.0, 90.0]


def test_a_very_long_streak_does_not_overflow():
    assert delays(RestartSpec(limit=0), 5000)[-1] == 60.0


def test_a_delay_of_zero_is_at_once_unless_failures_come_in_a_burst():
    slow = delays(RestartSpec(delay=0.0, limit=0), 20, apart=0.2)
    fast = delays(RestartSpec(delay=0.0, limit=0), 20, apart=0.01)

    assert slow == [0.0] * 20
    assert fast == [0.0] * (BURST - 1) + [0.1] * (21 - BURST)


@pytest.mark.parametrize("limit", [1, 3, 15])
def test_it_is_given_up_after_just_so_many_restarts(limit: int):
    spec = RestartSpec(limit=limit)
    streak, starts = Streak(), 1
    while True:
        decision = decide(spec, FAIL, streak, now=float(starts))
        if isinstance(decision, GiveUp):
            break
        assert isinstance(decision, Retry)
        streak, starts = decision.streak, starts + 1

    assert starts == 1 + limit
    assert decision.reason == f"exit code 1; failed {limit + 1} times in a row"


def test_with_a_limit_of_zero_it_is_never_given_up():
    assert len(delays(RestartSpec(limit=0), 100)) == 100


def test_a_run_that_lasted_the_window_clears_the_count():
    tired = Streak(failures=15, ends=15, recent=(1.0, 2.0))
    decision = decide(RestartSpec(), FAIL, tired, lasted=60.0)

    assert decision == Retry(0.0, Streak(1, 1, (100.0,)))


def test_a_success_that_is_restarted_clears_the_failures_but_not_the_growth():
    decision = decide(RestartSpec(always=True), OK, Streak(failures=9, ends=3))

    assert isinstance(decision, Retry)
    assert decision.streak.failures == 0
    assert decision.delay == pytest.approx(0.4)


@pytest.mark.parametrize(("chance", "delay"), [(-1.0, 1.8), (0.0, 2.0), (1.0, 2.2)])
def test_jitter_moves_a_long_delay_by_a_tenth(chance: float, delay: float):
    decision = decide(RestartSpec(delay=2.0), FAIL, chance=chance)

    assert isinstance(decision, Retry)
    assert decision.delay == pytest.approx(delay)


def test_jitter_leaves_a_short_delay_alone():
    decision = decide(RestartSpec(delay=1.0), FAIL, chance=1.0)

    assert isinstance(decision, Retry)
    assert decision.delay == 1.0


def test_a_failed_spawn_is_a_failure_like_any_other():
    decision = decide(RestartSpec(), Exit(spawn_error="command 'x' not found"), lasted=0)

    assert isinstance(decision, Retry)
    assert decision.streak.failures == 1


def test_an_end_is_described_by_its_fault_before_its_exit():
    assert describe(Ended(exit=FAIL, lasted=1, fault="memory 9 MB > 8 MB")) == "memory 9 MB > 8 MB"
    assert describe(Ended(exit=FAIL, lasted=1)) == "exit code 1"

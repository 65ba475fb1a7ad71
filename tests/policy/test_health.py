"""When a run is ready, well and unwell."""

import pytest

from oxtrio.model.health import Answer
from oxtrio.model.spec import HealthSpec, OnUnhealthy
from oxtrio.policy.health import (
    BecameReady,
    HealthRecord,
    NeverReady,
    Unwell,
    Verdict,
    Well,
    after_probe,
    next_probe_in,
)

PASS = Answer(True, "200 OK")
FAIL = Answer(False, "connection refused")
READY = HealthRecord(ready=True, passed=True)


def judge(
    spec: HealthSpec,
    answers: str,
    start: HealthRecord | None = None,
    *,
    first_at: float = 0.0,
) -> tuple[HealthRecord, list[Verdict | None]]:
    """The verdicts on *answers*, `+` and `-`, one a second."""
    record = start or HealthRecord()
    verdicts: list[Verdict | None] = []
    for second, letter in enumerate(answers):
        answer = PASS if letter == "+" else FAIL
        record, verdict = after_probe(spec, record, answer, first_at + second)
        verdicts.append(verdict)
    return record, verdicts


def test_the_first_pass_makes_it_ready():
    _, verdicts = judge(HealthSpec(), "--+++")

    assert verdicts == [None, None, BecameReady(), None, None]


def test_it_is_ready_after_as_many_passes_in_a_row_as_asked():
    _, verdicts = judge(HealthSpec(healthy_threshold=3), "++-+++")

    assert verdicts == [None] * 5 + [BecameReady()]


def test_failures_before_the_first_pass_do_not_count_within_the_start_period():
    record, verdicts = judge(HealthSpec(start_period=60), "-" * 50)

    assert verdicts == [None] * 50
    assert record.last == FAIL


def test_a_run_that_does_not_pass_within_its_start_period_has_failed():
    _, verdicts = judge(HealthSpec(start_period=3), "----")

    why = "health check did not pass within 3 s: connection refused"
    assert verdicts == [None, None, None, NeverReady(why)]


def test_the_start_period_begins_at_the_end_of_the_initial_delay():
    spec = HealthSpec(initial_delay=5, start_period=3)

    _, verdicts = judge(spec, "----", first_at=5)

    assert verdicts[:3] == [None, None, None]
    assert isinstance(verdicts[3], NeverReady)


def test_a_late_first_pass_still_counts():
    _, verdicts = judge(HealthSpec(start_period=3), "+", first_at=10)

    assert verdicts == [BecameReady()]


def test_after_a_first_pass_that_was_not_enough_failures_in_a_row_end_the_start():
    spec = HealthSpec(healthy_threshold=2, unhealthy_threshold=3)

    _, verdicts = judge(spec, "+---")

    assert verdicts[:3] == [None, None, None]
    assert verdicts[3] == NeverReady("3 health checks in a row failed: connection refused")


@pytest.mark.parametrize("answers", ["-", "--", "--+--+--"])
def test_fewer_failures_in_a_row_than_asked_change_nothing(answers: str):
    record, verdicts = judge(HealthSpec(unhealthy_threshold=3), answers, READY)

    assert not any(verdicts)
    assert not record.unwell


def test_one_failure_changes_the_last_answer():
    record, _ = judge(HealthSpec(), "-", READY)

    assert record.last == FAIL


def test_failures_in_a_row_make_it_unwell_once():
    record, verdicts = judge(HealthSpec(unhealthy_threshold=3), "-----", READY)

    why = "3 health checks in a row failed: connection refused"
    assert verdicts == [None, None, Unwell(why), None, None]
    assert record.unwell


def test_a_threshold_of_one_says_it_without_a_number():
    _, verdicts = judge(HealthSpec(unhealthy_threshold=1), "-", READY)

    assert verdicts == [Unwell("health check failed: connection refused")]


def test_what_is_left_alone_when_unwell_gets_well_again_after_enough_passes():
    spec = HealthSpec(healthy_threshold=2, unhealthy_threshold=1, on_unhealthy=OnUnhealthy.NOTHING)

    record, verdicts = judge(spec, "-+-++", READY)

    assert [type(verdict) for verdict in verdicts] == [
        Unwell,
        type(None),
        type(None),
        type(None),
        Well,
    ]
    assert not record.unwell


def test_it_can_become_unwell_again_after_having_been_well():
    spec = HealthSpec(unhealthy_threshold=1, on_unhealthy=OnUnhealthy.NOTHING)

    _, verdicts = judge(spec, "-+-", READY)

    assert [type(verdict) for verdict in verdicts] == [Unwell, Well, Unwell]


def test_what_is_to_be_restarted_does_not_get_well():
    _, verdicts = judge(HealthSpec(unhealthy_threshold=1), "-+", READY)

    assert verdicts[1] is None


@pytest.mark.parametrize(
    ("failures", "wait"), [(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.8), (5, 1.0), (5000, 1.0)]
)
def test_until_the_first_pass_probes_come_soon_and_at_least_once_a_second(
    failures: int, wait: float
):
    record = HealthRecord(failures=failures)

    assert next_probe_in(HealthSpec(interval=30), record) == wait


def test_a_short_interval_holds_before_the_first_pass_too():
    assert next_probe_in(HealthSpec(interval=0.05), HealthRecord(failures=4)) == 0.05


@pytest.mark.parametrize("failures", [0, 2])
def test_once_it_is_ready_the_interval_holds(failures: int):
    record = HealthRecord(ready=True, passed=True, failures=failures)

    assert next_probe_in(HealthSpec(interval=30), record) == 30


@pytest.mark.parametrize("failures", [0, 2])
def test_between_the_first_pass_and_readiness_it_is_asked_once_a_second(failures: int):
    record = HealthRecord(passed=True, failures=failures)

    assert next_probe_in(HealthSpec(interval=30), record) == 1


def test_jitter_shortens_the_interval_by_a_tenth_at_most():
    waits = [next_probe_in(HealthSpec(interval=30), READY, jitter) for jitter in (0.0, 0.5, 1.0)]

    assert waits == pytest.approx([30, 28.5, 27])

"""What is made of the notes of a load generator."""

import math
from array import array

from benchmarks.outcome import Record

KINDS = ["ok", "refused", "raced close", "dropped idle"]
OK, REFUSED, RACED, DROPPED = range(len(KINDS))


def record(*events: tuple[float, int, int], took: float = 0.5) -> Record:
    """Of (moment, kind, who)."""
    return Record(
        began=0.0,
        ended=10.0,
        connections=1,
        first={},
        at=array("d", [at for at, _, _ in events]),
        took=array("d", [took for _ in events]),
        kinds=KINDS,
        kind=array("b", [kind for _, kind, _ in events]),
        no_failure=frozenset(KINDS) - {"refused"},
        names=["1/10", "2/20", "2/21"],
        who=array("h", [who for _, _, who in events]),
    )


def test_every_kind_is_counted_where_it_belongs():
    found = record((1, OK, 0), (2, REFUSED, -1), (3, RACED, -1), (4, DROPPED, -1), (9, OK, 1)).whole

    assert (found.ok, found.failed, found.failures) == (2, {"refused": 1}, 1)
    assert (found.raced_close, found.dropped_idle) == (1, 1)
    assert found.rate == 0.2


def test_the_share_of_each_release_is_that_of_all_its_processes():
    found = record((1, OK, 0), (2, OK, 1), (3, OK, 2), (4, OK, 2)).whole

    assert found.answered_by == {"1/10": 1, "2/20": 1, "2/21": 2}
    assert found.releases == {"1": 1, "2": 3}


def test_a_gap_is_between_right_answers_or_at_an_edge():
    assert record((1, OK, 0), (4, REFUSED, -1), (6, OK, 0), (9, OK, 0)).whole.gap == 5
    assert record((3, OK, 0), (4, OK, 0)).whole.gap == 6
    assert record((7, OK, 0)).whole.gap == 7
    assert record().whole.gap == 10


def test_a_stretch_of_time_has_what_ended_in_it():
    whole = record((1, OK, 0), (4, REFUSED, -1), (6, OK, 1), (9, OK, 0))

    found = whole.between(4, 9)

    assert (found.ok, found.failed, found.gap) == (1, {"refused": 1}, 3)
    assert found.answered_by == {"2/20": 1}


def test_what_was_asked_before_is_no_answer_to_what_happened():
    found = record((1, OK, 0), (5.2, OK, 0), (5.4, RACED, -1), (5.6, OK, 0))

    assert found.first_ok(5.0) == 5.6
    assert math.isnan(found.first_ok(5.2))


def test_a_release_can_be_missed_while_another_answers():
    found = record((1, OK, 0), (2, OK, 0), (4, OK, 1), (6, REFUSED, -1), (9, OK, 0))

    assert found.longest_without("1", 0, 10) == 7
    assert found.longest_without("2", 0, 10) == 6
    assert found.longest_without("1", 5, 7) == 2


def test_without_a_right_answer_there_are_no_percentiles():
    found = record((1, REFUSED, -1)).whole

    assert math.isnan(found.p50)
    assert math.isnan(found.longest)

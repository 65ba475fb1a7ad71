"""In which order apps start and stop, and when a dependency is met."""

import pytest

from oxtrio.model.spec import Condition
from oxtrio.model.state import State
from oxtrio.policy.order import (
    Prospect,
    dependents,
    find_cycle,
    lanes,
    longest_path,
    prospect,
    with_dependencies,
)


def test_each_lane_needs_only_earlier_ones():
    graph = {"web": ["api"], "api": ["db", "queue"], "db": [], "queue": [], "docs": []}

    assert lanes(graph) == [["db", "queue", "docs"], ["api"], ["web"]]


def test_what_is_not_in_the_graph_counts_as_met():
    assert lanes({"web": ["elsewhere"]}) == [["web"]]


def test_a_cycle_is_shown():
    with pytest.raises(ValueError, match="a -> b -> c -> a"):
        lanes({"x": [], "a": ["b"], "b": ["c"], "c": ["a"]})


@pytest.mark.parametrize(
    ("graph", "cycle"),
    [
        ({}, []),
        ({"a": ["b"], "b": []}, []),
        ({"a": ["a"]}, ["a", "a"]),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, ["b", "c", "b"]),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, []),
    ],
)
def test_a_cycle_is_found_where_there_is_one(graph: dict[str, list[str]], cycle: list[str]):
    assert find_cycle(graph) == cycle


def test_a_long_chain_is_no_trouble():
    chain = {str(n): [str(n + 1)] for n in range(5000)} | {"5000": []}

    assert find_cycle(chain) == []
    assert find_cycle(chain | {"5000": ["0"]})[0] == "0"


@pytest.mark.parametrize(
    ("graph", "seconds"),
    [
        ({}, 0),
        ({"a": [], "b": []}, 8),
        ({"a": ["b"], "b": []}, 11),
        # Who is slow and who is waited for need not be the same: no sum over whole lanes.
        ({"a": ["c"], "b": [], "c": []}, 8),
        ({"a": ["c", "b"], "b": ["c"], "c": []}, 13),
        ({"a": ["elsewhere"]}, 3),
    ],
)
def test_the_longest_path_is_what_going_through_all_takes(graph: dict[str, list[str]], seconds):
    assert longest_path(graph, {"a": 3, "b": 8, "c": 2}) == seconds


def test_dependents_are_those_that_depend_directly():
    graph = {"web": ["api"], "api": ["db"], "worker": ["db"], "db": ["elsewhere"]}

    assert dependents(graph) == {"web": [], "api": ["web"], "worker": [], "db": ["api", "worker"]}


def test_what_is_needed_comes_with_it_in_the_order_of_the_oxfile():
    graph = {"web": ["api"], "db": [], "api": ["db"], "docs": []}

    assert with_dependencies(["web"], graph) == ["web", "db", "api"]


@pytest.mark.parametrize(
    ("condition", "state", "expected"),
    [
        (Condition.STARTED, State.STARTING, Prospect.MET),
        (Condition.STARTED, State.BACKOFF, Prospect.PENDING),
        (Condition.READY, State.STARTING, Prospect.PENDING),
        (Condition.READY, State.RUNNING, Prospect.MET),
        (Condition.READY, State.UNHEALTHY, Prospect.MET),
        (Condition.READY, State.CRASHED, Prospect.FAILED),
        (Condition.HEALTHY, State.UNHEALTHY, Prospect.PENDING),
        (Condition.HEALTHY, State.RUNNING, Prospect.MET),
        (Condition.HEALTHY, State.EXITED, Prospect.FAILED),
        (Condition.COMPLETED, State.RUNNING, Prospect.PENDING),
        (Condition.COMPLETED, State.EXITED, Prospect.MET),
        (Condition.COMPLETED, State.CRASHED, Prospect.FAILED),
        (Condition.EXITED, State.CRASHED, Prospect.MET),
        (Condition.EXITED, State.BACKOFF, Prospect.PENDING),
        (Condition.READY, State.STUCK, Prospect.FAILED),
    ],
)
def test_a_dependency_is_met_pending_or_failed(condition, state, expected):
    assert prospect(condition, state, True) is expected


def test_a_stopped_dependency_is_pending_only_while_somebody_wants_it_up():
    assert prospect(Condition.READY, State.STOPPED, True) is Prospect.PENDING
    assert prospect(Condition.READY, State.STOPPED, False) is Prospect.FAILED

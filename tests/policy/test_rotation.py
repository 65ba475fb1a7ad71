"""Who gets new connections: the healthy, else all that are wanted, else whoever is left."""

import itertools

import pytest

from oxtrio.model.state import State
from oxtrio.policy.rotation import Turn, chosen, turn_of

GIVEN_UP = {State.BLOCKED, State.EXITED, State.CRASHED}


@pytest.mark.parametrize("state", State)
def test_an_address_is_not_held_for_whom_nobody_wants(state: State):
    assert turn_of(state, wanted=False, drained=False) is Turn.LEAVING
    assert turn_of(state, wanted=False, drained=True) is Turn.LEAVING


@pytest.mark.parametrize("state", sorted(GIVEN_UP))
@pytest.mark.parametrize("drained", [False, True])
def test_an_address_is_not_held_for_what_will_not_run_by_itself(state: State, drained: bool):
    assert turn_of(state, wanted=True, drained=drained) is Turn.LEAVING


@pytest.mark.parametrize("state", sorted(set(State) - GIVEN_UP))
def test_what_is_wanted_and_not_well_has_its_address_held(state: State):
    expected = Turn.HEALTHY if state is State.RUNNING else Turn.WANTED

    assert turn_of(state, wanted=True, drained=False) is expected
    assert turn_of(state, wanted=True, drained=True) is Turn.DRAINED


def test_the_healthy_get_all_connections():
    turns = {"a": Turn.HEALTHY, "b": Turn.WANTED, "c": Turn.HEALTHY, "d": Turn.DRAINED}

    assert chosen(turns) == ("a", "c")


def test_where_nobody_is_healthy_all_that_are_wanted_get_them():
    assert chosen({"a": Turn.WANTED, "b": Turn.NEWCOMER, "c": Turn.WANTED}) == ("a", "c")


def test_who_was_taken_out_serves_where_nobody_else_is_there():
    assert chosen({"a": Turn.DRAINED, "b": Turn.NEWCOMER}) == ("a",)


def test_a_newcomer_serves_only_where_it_is_alone():
    assert chosen({"a": Turn.NEWCOMER, "b": Turn.LEAVING}) == ("a",)


def test_who_leaves_gets_nothing_even_when_nobody_else_is_there():
    assert chosen({"a": Turn.LEAVING}) == ()
    assert chosen({}) == ()


@pytest.mark.parametrize("turns", list(itertools.product(Turn, repeat=3)), ids=str)
def test_whoever_is_chosen_has_the_best_turn_and_all_who_have_it_are_chosen(
    turns: tuple[Turn, Turn, Turn],
):
    found = chosen(dict(enumerate(turns)))

    best = min(turns)
    expected = [] if best is Turn.LEAVING else [n for n, turn in enumerate(turns) if turn is best]
    assert list(found) == expected

"""The table of states is complete, and guards."""

import pytest

from oxtrio.model.state import (
    ALIVE,
    NO_MOVE,
    SERVING,
    TRANSITIONS,
    UP,
    Happening,
    IllegalTransition,
    State,
    shown,
    transition,
)


@pytest.mark.parametrize(("move", "after"), TRANSITIONS.items(), ids=str)
def test_a_legal_move_leads_where_the_table_says(move: tuple[State, Happening], after: State):
    assert transition(*move) is after


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("happening", Happening)
def test_a_move_that_is_not_in_the_table_raises(state: State, happening: Happening):
    if (state, happening) in TRANSITIONS:
        return
    with pytest.raises(IllegalTransition):
        transition(state, happening)


def test_nothing_is_ready_before_it_was_spawned():
    with pytest.raises(IllegalTransition):
        transition(State.STOPPED, Happening.READY)


@pytest.mark.parametrize("state", [State.STARTING, State.RUNNING, State.UNHEALTHY, State.PAUSED])
def test_what_is_up_can_be_asked_to_stop_and_is_then_gone(state: State):
    stopping = transition(state, Happening.ASKED_TO_STOP)

    assert stopping is State.STOPPING
    assert transition(stopping, Happening.GONE) is State.STOPPED


def test_what_survives_sigkill_is_stuck_and_never_called_stopped_before_it_is_gone():
    stuck = transition(State.STOPPING, Happening.SURVIVED)

    assert stuck is State.STUCK
    assert transition(stuck, Happening.GONE) is State.STOPPED


@pytest.mark.parametrize("state", [s for s in State if s not in {State.RELOADING, State.DRAINED}])
def test_every_state_of_this_version_can_be_left(state: State):
    assert any(before is state for before, _ in TRANSITIONS)


# Newcomers, and who was taken out of the rotation.


@pytest.mark.parametrize("state", sorted(set(State) - {State.RELOADING, State.DRAINED}))
def test_whatever_became_of_the_old_run_a_newcomer_can_take_over(state: State):
    assert transition(state, Happening.REPLACED) is State.RUNNING


@pytest.mark.parametrize("happening", sorted(NO_MOVE))
@pytest.mark.parametrize("state", State)
def test_what_happens_beside_an_instance_is_no_transition(state: State, happening: Happening):
    with pytest.raises(IllegalTransition):
        transition(state, happening)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("drained", [False, True])
def test_one_that_serves_is_reloading_while_a_newcomer_is_on_trial(state: State, drained: bool):
    found = shown(state, replaced=True, drained=drained)

    if state in SERVING:
        assert found is State.RELOADING
    else:
        assert found is state


@pytest.mark.parametrize("state", State)
def test_one_that_was_taken_out_is_drained_only_as_long_as_it_would_be_running(state: State):
    expected = State.DRAINED if state is State.RUNNING else state

    assert shown(state, replaced=False, drained=True) is expected


@pytest.mark.parametrize("state", State)
def test_else_a_state_is_shown_as_it_is(state: State):
    assert shown(state, replaced=False, drained=False) is state


def test_no_instance_ever_is_what_is_only_shown():
    assert not {State.RELOADING, State.DRAINED} & set(TRANSITIONS.values())
    assert {State.RELOADING, State.DRAINED} < ALIVE
    assert SERVING < UP

"""The table of states is complete, and guards."""

import pytest

from oxtrio.model.state import TRANSITIONS, Happening, IllegalTransition, State, transition


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

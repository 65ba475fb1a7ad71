"""What an instance can be, what can happen to it, and where that leads."""

from enum import StrEnum, auto


class State(StrEnum):
    """What an instance is, as `status` shows it."""

    STOPPED = auto()  # nobody wants it up
    BLOCKED = auto()  # waits for a dependency
    STARTING = auto()  # spawned, not ready yet
    RUNNING = auto()  # ready
    UNHEALTHY = auto()  # runs, but fails its health check
    BACKOFF = auto()  # ended; starts again at a stated time
    STOPPING = auto()  # told to end, not gone yet
    RELOADING = auto()  # a newcomer is on its way to take over
    DRAINED = auto()  # runs, gets no new connections
    EXITED = auto()  # ended as meant
    CRASHED = auto()  # given up
    PAUSED = auto()  # stopped by SIGSTOP
    STUCK = auto()  # still there after SIGKILL


class Happening(StrEnum):
    """What can happen to an instance."""

    HELD = auto()  # a dependency is not there yet
    SPAWNED = auto()
    READY = auto()  # passed its readiness test
    UNWELL = auto()  # failed its health check too often
    WELL = auto()  # passes it again
    RETRY = auto()  # ended, will start again later
    GAVE_UP = auto()  # ended, and will not start again: its failures are used up
    ENDED = auto()  # ended as meant
    ASKED_TO_STOP = auto()
    GONE = auto()  # nothing of it is left
    KILLED = auto()  # not gone in its time: it gets SIGKILL
    SURVIVED = auto()  # still there after SIGKILL
    PAUSED = auto()
    CONTINUED_STARTING = auto()
    CONTINUED = auto()
    REPLACED = auto()  # a newcomer has taken over
    NEWCOMER = auto()  # one was spawned beside it; it is what it was
    REJECTED = auto()  # the newcomer did not get ready; it is what it was
    DRAINED = auto()  # taken out of the rotation
    RESUMED = auto()  # put back


class IllegalTransition(Exception):
    """A bug: something happened that cannot happen in this state."""


_DOWN = (State.STOPPED, State.EXITED, State.CRASHED, State.BACKOFF, State.BLOCKED)
_UP = (State.STARTING, State.RUNNING, State.UNHEALTHY, State.PAUSED)
_ENDING = (State.STOPPING, State.STUCK)

TRANSITIONS: dict[tuple[State, Happening], State] = {
    **{(state, Happening.HELD): State.BLOCKED for state in _DOWN},
    **{(state, Happening.SPAWNED): State.STARTING for state in _DOWN},
    # A failed spawn, or a failed dependency, ends without having been up.
    **{(state, Happening.RETRY): State.BACKOFF for state in (*_DOWN, *_UP, *_ENDING)},
    **{(state, Happening.GAVE_UP): State.CRASHED for state in (*_DOWN, *_UP, *_ENDING)},
    **{(state, Happening.ENDED): State.EXITED for state in (*_UP, *_ENDING)},
    # An ended run may have left processes behind, which a stop ends.
    **{(state, Happening.ASKED_TO_STOP): State.STOPPING for state in (*_DOWN, *_UP, State.STUCK)},
    **{(state, Happening.GONE): State.STOPPED for state in (*_DOWN, *_ENDING)},
    **{(state, Happening.SURVIVED): State.STUCK for state in (*_DOWN, *_ENDING)},
    # Whatever became of the old run meanwhile.
    **{(state, Happening.REPLACED): State.RUNNING for state in (*_DOWN, *_UP, *_ENDING)},
    (State.STARTING, Happening.READY): State.RUNNING,
    (State.RUNNING, Happening.UNWELL): State.UNHEALTHY,
    (State.UNHEALTHY, Happening.WELL): State.RUNNING,
    (State.STARTING, Happening.PAUSED): State.PAUSED,
    (State.RUNNING, Happening.PAUSED): State.PAUSED,
    (State.UNHEALTHY, Happening.PAUSED): State.PAUSED,
    (State.PAUSED, Happening.CONTINUED_STARTING): State.STARTING,
    (State.PAUSED, Happening.CONTINUED): State.RUNNING,
}

UP = frozenset(_UP)
"""The states in which its process lives, as far as anybody has been told."""

NO_MOVE = frozenset(
    {
        Happening.KILLED,
        Happening.NEWCOMER,
        Happening.REJECTED,
        Happening.DRAINED,
        Happening.RESUMED,
    }
)
"""What happens beside an instance, and leaves it what it is."""

SERVING = frozenset({State.RUNNING, State.UNHEALTHY, State.PAUSED})
"""The states in which clients would miss it: a newcomer can take over from it."""

ALIVE = frozenset({*_UP, State.STOPPING, State.STUCK, State.RELOADING, State.DRAINED})
"""The states in which a process of the instance exists."""


def shown(state: State, *, replaced: bool, drained: bool) -> State:
    """What an operator is told: a run that is being replaced, or was taken out, still runs."""
    if replaced and state in SERVING:
        return State.RELOADING
    return State.DRAINED if drained and state is State.RUNNING else state


def transition(state: State, happening: Happening) -> State:
    """The only way a state ever changes; an illegal move raises and changes nothing."""
    try:
        return TRANSITIONS[state, happening]
    except KeyError:
        raise IllegalTransition(f"{happening} cannot happen while {state}") from None

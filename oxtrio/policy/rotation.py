"""Who gets the new connections to an address that several runs could serve."""

from collections.abc import Mapping
from enum import IntEnum
from typing import TypeVar

from oxtrio.model.state import State

T = TypeVar("T")


class Turn(IntEnum):
    """Whose turn it is: the lowest that anybody has gets all new connections."""

    HEALTHY = 0
    WANTED = 1
    """Not ready, not well, or between two runs: its connections wait in the queue."""
    DRAINED = 2
    """An operator took it out."""
    NEWCOMER = 3
    """It has not shown yet that it can take over."""
    LEAVING = 4
    """It is on its way out, and gets none even when nobody else is there."""


def turn_of(state: State, *, wanted: bool, drained: bool) -> Turn:
    """The turn of an instance, LEAVING where its address is not to be held for it."""
    if not wanted or state in (State.BLOCKED, State.EXITED, State.CRASHED):
        return Turn.LEAVING
    if drained:
        return Turn.DRAINED
    return Turn.HEALTHY if state is State.RUNNING else Turn.WANTED


def chosen(turns: Mapping[T, Turn]) -> tuple[T, ...]:
    """Those that get the new connections; none where all are leaving."""
    staying = [turn for turn in turns.values() if turn is not Turn.LEAVING]
    if not staying:
        return ()
    return tuple(each for each, turn in turns.items() if turn is min(staying))

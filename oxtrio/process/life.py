"""One life of an instance: from an operator's start to the next stop, over any number of runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

import trio

from oxtrio.policy.restart import Streak


class Outcome(Enum):
    """What a waiting command is told of a life."""

    UP = auto()  # ready
    ENDED = auto()  # as meant
    FAILED = auto()  # its first run has failed, or a dependency has
    CANCELLED = auto()  # stopped, or begun anew, before any of these


@dataclass(slots=True, eq=False)
class Life:
    """A budget of failures, and the first outcome, for whoever waits for it."""

    cause: str
    inherited: Mapping[str, str] = field(repr=False)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    settled: trio.Event = field(default_factory=trio.Event)
    outcome: Outcome = Outcome.CANCELLED
    reason: str = ""
    hint: str = ""
    streak: Streak = field(default_factory=Streak)
    begun: bool = False
    """Something has happened to the instance in this life, so its state speaks of it."""

    def settle(self, outcome: Outcome, reason: str = "", hint: str = "") -> None:
        """Tell those who wait. Only the first outcome counts."""
        if not self.settled.is_set():
            self.outcome = outcome
            self.reason = reason
            self.hint = hint
            self.settled.set()

"""One life of an instance: from an operator's start to the next stop, over any number of runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

import trio

from oxtrio.policy.restart import Streak

if TYPE_CHECKING:
    from oxtrio.model.spec import AppSpec
    from oxtrio.process.past import PastRun
    from oxtrio.process.preparation import Preparation
    from oxtrio.process.record import Record
    from oxtrio.process.run import Run

Tell = Callable[[str, int | None], None]
"""Takes how far a newcomer has come, and the pid that it is about."""


def tell_nobody(how_far: str, pid: int | None) -> None:
    """For lives that nobody waits for."""


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
    preparation: "Preparation | None" = None
    """How its runs are launched; made at its beginning, unless it is a newcomer's."""
    adopted: "Record | None" = field(default=None, repr=False)
    """Its first run is one that an earlier supervisor has begun."""
    launched: "AppSpec | None" = field(default=None, repr=False)
    """What that run was launched with, to be remembered: the instances may be more by now."""
    restarts: int = 0
    """How many there had been before it, which count on."""
    beside: bool = False
    """A newcomer: it begins beside the life in front, until its first run is ready."""
    delay: float = 0.0
    """Seconds that a newcomer waits before it begins."""
    because: str = ""
    """What was wrong with the run that a newcomer replaces, where nobody asked for it."""
    otherwise: Callable[[], None] | None = field(default=None, repr=False)
    """What happens where the newcomer does not make it."""
    survivors: str = ""
    """What of it survived SIGKILL, in words, while it is not over."""
    run: "Run | None" = field(default=None, repr=False)
    over: trio.Event = field(default_factory=trio.Event)
    """Nothing of it is left."""
    rejected: "PastRun | None" = None
    """What became of a newcomer that did not make it."""
    tell: Tell = tell_nobody

    @property
    def spec(self) -> "AppSpec | None":
        """What its runs are launched with, once that is known."""
        return None if self.preparation is None else self.preparation.spec

    def settle(self, outcome: Outcome, reason: str = "", hint: str = "") -> None:
        """Tell those who wait. Only the first outcome counts."""
        if not self.settled.is_set():
            self.outcome = outcome
            self.reason = reason
            self.hint = hint
            self.settled.set()

"""What runs have left behind: one look at all that has lost its parent, for all who ask.

A look reads something of every such process. Where hundreds of runs end at once, or one app makes
orphans all the time, a look for each that waits would be all that the supervisor does.
"""

from dataclasses import dataclass

import trio

from oxtrio.system.children import Children
from oxtrio.system.kinship import Kin, Kinship

LOOKS = 5
"""Times that we look, while processes end under our eyes."""

LOOK_AGAIN = 0.02
"""Seconds between two looks at one that is in doubt: a program is loaded without an event."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was there at one moment."""

    at: float
    ends: int
    """How many ends had been noted by then."""
    over: frozenset[Kin]
    """The runs whose leader had ended: of these alone it tells anything."""
    left: dict[Kin, list[int]]
    unsure: frozenset[Kin | None]
    """Runs of which more may be there; with None: any."""

    def is_sure_of(self, kin: Kin) -> bool:
        return not self.unsure & {kin, None}

    def is_empty_of(self, kin: Kin) -> bool:
        """That nothing is left of it stays true for ever."""
        return kin in self.over and kin not in self.left and self.is_sure_of(kin)


class LeftBehind:
    """Finds what has lost its leader."""

    def __init__(self, children: Children, kinship: Kinship) -> None:
        self._children, self._kinship = children, kinship
        self._last: Look | None = None

    def of(self, kin: Kin) -> tuple[list[int], bool]:
        """What is left of a run, and whether that is sure, as it was just now."""
        look = self._last
        if look is None or not (look.is_empty_of(kin) or self._is_new(look, kin)):
            look = self._last = self._look()
        return look.left.get(kin, []), look.is_sure_of(kin)

    def now(self, kin: Kin) -> list[int]:
        """What is left of a run at this moment: to be killed, before it forks again."""
        self._last = self._look()
        return self._last.left.get(kin, [])

    def _is_new(self, look: Look, kin: Kin) -> bool:
        """Whether nothing has happened since, as far as we are told."""
        is_recent = trio.current_time() - look.at < LOOK_AGAIN
        return is_recent and look.ends == self._children.ends and kin in look.over

    def _look(self) -> Look:
        """Look until it is sure what is left of the runs that are over.

        A process that ends between the list and the look at it hands its children over to us
        in that moment. So of a run it is sure when no process of it did that since the look
        before, nor one of which nobody knows whose it was; and nobody is in doubt.
        """
        at, ends, over = trio.current_time(), self._children.ends, self._kinship.over()
        gone: dict[int, Kin | None] = {}
        for _ in range(LOOKS):
            orphans = self._kinship.sort(self._children.orphans())
            unsure = frozenset(kin for pid, kin in orphans.gone.items() if pid not in gone)
            if not unsure & {*over, None}:
                break
            gone = orphans.gone
        left: dict[Kin, list[int]] = {}
        for pid, kin in orphans.alive.items():
            if kin is not None:
                left.setdefault(kin, []).append(pid)
        return Look(at, ends, over, left, unsure | ({None} if self._kinship.is_in_doubt else set()))

"""Times in which nobody held what is held for the apps, as keeper and supervisor were both dead."""

import time
from dataclasses import dataclass, field

BEFORE, AFTER = 1.0, 0.5
"""Seconds around such a time: what was not read yet, and what began in it."""


@dataclass(slots=True)
class Gaps:
    """Stretches of monotonic time; the last one may be open."""

    closed: list[tuple[float, float]] = field(default_factory=list)
    began: float | None = None

    def open(self, moment: float) -> None:
        """It began at that moment, if it had not begun before."""
        if self.began is None:
            self.began = moment

    def close(self) -> None:
        if self.began is not None:
            self.closed.append((self.began, time.monotonic()))
            self.began = None

    def all(self) -> list[tuple[float, float]]:
        """With what belongs to them; none of them overlaps another."""
        now = time.monotonic()
        found: list[tuple[float, float]] = []
        for began, ended in [*self.closed, *([] if self.began is None else [(self.began, now)])]:
            first = max(began - BEFORE, found[-1][1] if found else 0.0)
            found.append((first, ended + AFTER))
        return found

    def has(self, moment: float) -> bool:
        return any(began <= moment <= ended for began, ended in self.all())

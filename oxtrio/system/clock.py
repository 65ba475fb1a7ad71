"""The clock of the supervisor: it stands still as long as the supervisor does.

A process that is stopped (SIGSTOP), frozen with its container, paused with its virtual machine or
put aside by a busy one is given no sign of it. When it goes on, all that was to happen meanwhile
is overdue at once, and what was said meanwhile has not been heard yet: every answer that was
awaited would count as missing. So that time does not count.
"""

import math
import time
from dataclasses import dataclass

import trio

STOOD_STILL = 0.05
"""Seconds; who looks at the clock so much later than planned was not running."""
GRACE = 0.1
"""Seconds for which time stands on after that, so that what has come meanwhile is heard."""
JUST = 0.001
"""Seconds before what was planned at which it stands."""


@dataclass(frozen=True, slots=True)
class Plan:
    """When the clock is going to be looked at again."""

    made_at: float
    """Of real time."""
    latest: float
    """Of real time."""
    until: float
    """What the clock shows then."""


class AwakeClock(trio.abc.Clock):
    """Monotonic seconds in which we were awake: `trio.run(..., clock=AwakeClock())`.

    What was planned first for the time that was slept through comes a tenth of a second after
    it, and the rest as long after that as it was planned. That tenth is not granted twice in a
    row, so that time goes on where everything is always late. Whoever is stopped and continued
    before the next thing that is planned cannot know: that time counts.
    """

    def __init__(self) -> None:
        self._missed = 0.0
        """Of the real time that has passed, what does not count."""
        self._stands_until = -math.inf
        """Of real time."""
        self._plan = Plan(0.0, math.inf, math.inf)

    def start_clock(self) -> None:
        """Trio begins."""
        self._look(time.monotonic())

    def current_time(self) -> float:
        """Seconds since some moment; never less than before."""
        return self._look(time.monotonic())

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Real seconds until *deadline*; Trio will sleep so long at most."""
        now = time.monotonic()
        left = max(0.0, deadline - self._look(now))
        if left:
            left += max(0.0, self._stands_until - now)
            self._plan = Plan(now, now + left, deadline)
        return left

    def _look(self, now: float) -> float:
        if now - self._plan.latest > STOOD_STILL:
            self._excuse(now)
        shown = self._shown(now)
        self._plan = Plan(now, now, shown)
        return shown

    def _shown(self, now: float) -> float:
        return max(now, self._stands_until) - self._missed

    def _excuse(self, now: float) -> None:
        """Nothing counts of the time that came after what was planned."""
        shown = self._shown(self._plan.made_at)
        left = self._plan.until - shown
        if self._plan.made_at >= self._stands_until:
            self._stands_until = now + GRACE
            shown += max(left - JUST, 0.0)
        elif left > GRACE:
            shown += left - GRACE
        else:
            shown += left or STOOD_STILL
        self._missed = max(now, self._stands_until) - shown


def real_time() -> float:
    """Seconds of a clock that does not stand still with us: to measure what others have done."""
    clock = trio.lowlevel.current_clock()
    return time.monotonic() if isinstance(clock, AwakeClock) else clock.current_time()

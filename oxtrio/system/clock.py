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

STOOD_STILL = 0.2
"""Seconds; who looks at the clock so much later than planned was not running."""
GRACE = 0.1
"""Seconds for which time stands on after that, so that what has come meanwhile is heard."""
LATE = 0.02
"""Seconds; who is so late has something to hear first as well, before it calls others late."""
MOMENT = 0.03
"""Seconds for that."""
JUST = 0.001
"""Seconds before what was planned at which time stands meanwhile."""
STEP, PART = 0.5, 8
"""The longest plan is so many seconds, or that part of what is left, if that is more: what is not
noticed of a standstill is no more than that."""


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

    When a standstill is noticed, nothing counts since the clock was last looked at, which happens
    every half second as long as anything is planned, and less often where that is far off. That
    is not granted twice in a row, so that time goes on where everything is always late.
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
        if not left:
            return 0.0
        left = min(left, max(STEP, left / PART))
        real = left + max(0.0, self._stands_until - now)
        self._plan = Plan(now, now + real, self._shown(now) + left)
        return real

    def _look(self, now: float) -> float:
        late = now - self._plan.latest
        if late > LATE:
            self._excuse(now, late)
        shown = self._shown(now)
        self._plan = Plan(now, now, shown)
        return shown

    def _shown(self, now: float) -> float:
        return max(now, self._stands_until) - self._missed

    def _excuse(self, now: float, late: float) -> None:
        """Let time stand where it stood when the plan was made, or just before its end."""
        shown = self._shown(self._plan.made_at)
        left = self._plan.until - shown
        if self._plan.made_at < self._stands_until:
            if late <= STOOD_STILL:
                return
            shown += left - GRACE if left > 2 * GRACE else left or STOOD_STILL
        elif late > STOOD_STILL:
            self._stands_until = now + GRACE
        elif left:
            self._stands_until = now + MOMENT
            shown += max(left - JUST, 0.0)
        else:
            return
        self._missed = max(now, self._stands_until) - shown


def real_time() -> float:
    """Seconds of a clock that does not stand still with us: to measure what others have done."""
    clock = trio.lowlevel.current_clock()
    return time.monotonic() if isinstance(clock, AwakeClock) else clock.current_time()

"""What to do when a run has ended. No clock, no dice, no processes."""

from dataclasses import dataclass

from oxtrio.model.exit import Exit
from oxtrio.model.spec import RestartSpec

FIRST_GROWN_DELAY = 0.1
"""Seconds before the second restart in a row, where the oxfile names no delay."""
BURST = 10
"""Failures inside one second after which even `restart_delay_ms = 0` waits."""
JITTER = 0.1
"""Share of a delay above one second by which it varies, so that many apps do not return at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end of a run: how, after how many seconds, and whether we ended it for a fault."""

    exit: Exit
    lasted: float
    fault: str = ""
    """Why oxtrio ended it (unhealthy, over a limit); such a run has failed, whatever its exit."""


@dataclass(frozen=True, slots=True)
class Streak:
    """What has gone wrong in a row."""

    failures: int = 0
    ends: int = 0
    """Ends of any kind without a stable run between: what the delay grows with."""
    recent: tuple[float, ...] = ()
    """When the last few ends were, at most `BURST`."""


@dataclass(frozen=True, slots=True)
class Leave:
    """It ended the way it was meant to."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It starts again after *delay* seconds."""

    delay: float
    streak: Streak


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It failed, and will not start again by itself."""

    reason: str


def after_run(
    spec: RestartSpec, ended: Ended, streak: Streak, now: float, chance: float
) -> Leave | Retry | GiveUp:
    """Decide what follows; *chance* in [-1, 1] is the jitter."""
    failed = bool(ended.fault) or not ended.exit.succeeded(spec.success_codes)
    if not failed and not spec.always:
        return Leave()
    if failed and spec.always is False:
        return GiveUp(describe(ended))
    after = _count(spec, ended, streak, now, failed)
    if spec.limit and after.failures > spec.limit:
        return GiveUp(f"{describe(ended)}; failed {after.failures} times in a row")
    return Retry(_with_jitter(_delay(spec, after, now), chance), after)


def describe(ended: Ended) -> str:
    """Why the run ended, in a few words."""
    return ended.fault or str(ended.exit)


def _count(spec: RestartSpec, ended: Ended, streak: Streak, now: float, failed: bool) -> Streak:
    before = Streak() if ended.lasted >= spec.window else streak
    failures = before.failures + 1 if failed else 0
    return Streak(failures, before.ends + 1, (*before.recent, now)[-BURST:])


def _delay(spec: RestartSpec, streak: Streak, now: float) -> float:
    if spec.delay is None:
        grown = 0.0 if streak.ends == 1 else _grow(FIRST_GROWN_DELAY, streak.ends - 2)
    elif spec.delay > 0:
        grown = _grow(spec.delay, streak.ends - 1)
    else:
        burst = len(streak.recent) == BURST and now - streak.recent[0] < 1.0
        return FIRST_GROWN_DELAY if burst else 0.0
    return min(grown, max(spec.delay_max, spec.delay or 0.0))


def _grow(first: float, times: int) -> float:
    return first * 2.0 ** min(times, 32)


def _with_jitter(delay: float, chance: float) -> float:
    return delay * (1.0 + JITTER * chance) if delay > 1.0 else delay

"""Why an instance is in its state, for the REASON column."""

from collections.abc import Callable
from signal import Signals

from oxtrio.model.spec import Condition
from oxtrio.model.state import State
from oxtrio.policy.causes import cause_of
from oxtrio.policy.evidence import WhyFacts
from oxtrio.policy.quantities import duration

SHORT = 80
"""Characters of the REASON column."""

NEEDED = {
    Condition.STARTED: "start",
    Condition.READY: "be ready",
    Condition.HEALTHY: "be healthy",
    Condition.COMPLETED: "complete",
    Condition.EXITED: "exit",
}


def short_reason(facts: WhyFacts) -> str:
    """Why it is in its state, in at most 80 characters; "" where there is nothing to say."""
    short = SHORT_REASONS.get(facts.state, _given_reason)(facts)
    return _cut(short, SHORT)


def had_to_be_killed(facts: WhyFacts) -> bool:
    """Whether the stop that made it what it is took more than the stop signal of the app."""
    last = facts.exit
    return (
        last is not None
        and last.sent_by_us
        and last.signal == Signals.SIGKILL != facts.spec.stop.signal
        and not facts.ended_because
    )


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"


def _given_reason(facts: WhyFacts) -> str:
    return facts.reason


def _short_cause(facts: WhyFacts) -> str:
    cause = cause_of(facts)
    return cause.short if cause else facts.reason or (str(facts.exit) if facts.exit else "")


def _short_stopped(facts: WhyFacts) -> str:
    return facts.reason + (", with SIGKILL" if facts.reason and had_to_be_killed(facts) else "")


def _short_blocked(facts: WhyFacts) -> str:
    blocker = facts.blocked_on
    if blocker is None:
        return facts.reason
    return f"waits for {blocker.name} to {NEEDED[blocker.condition]}; it is {blocker.state}"


def _short_backoff(facts: WhyFacts) -> str:
    cause = _short_cause(facts)
    if not facts.next_in:
        return cause
    when = f"starts again in {duration(facts.next_in)}"
    return f"{_cut(cause, SHORT - len(when) - 2)}; {when}" if cause else when


def _short_crashed(facts: WhyFacts) -> str:
    cause = _short_cause(facts)
    if facts.spec.one_shot or facts.failures < 2:
        return cause
    return f"gave up after {facts.failures} failures: {cause}"


SHORT_REASONS: dict[State, Callable[[WhyFacts], str]] = {
    State.STOPPED: _short_stopped,
    State.BLOCKED: _short_blocked,
    State.BACKOFF: _short_backoff,
    State.CRASHED: _short_crashed,
}

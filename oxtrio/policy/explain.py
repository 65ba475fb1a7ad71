"""Why an instance is in its state: one paragraph, and what to do about it."""

from collections.abc import Callable

from oxtrio.model.order import Why
from oxtrio.model.spec import OnUnhealthy
from oxtrio.model.state import ALIVE, State
from oxtrio.policy.causes import cause_of, health_hints
from oxtrio.policy.clients import Told, told_of_clients
from oxtrio.policy.evidence import Blocker, WhyFacts
from oxtrio.policy.quantities import counted, duration
from oxtrio.policy.reasons import NEEDED, had_to_be_killed, short_reason

__all__ = ["Blocker", "WhyFacts", "explain", "short_reason"]


def explain(facts: WhyFacts) -> Why:
    """Why it is in its state, how its last run ended, what comes next, and what to do."""
    sentences, hints = TOLD[facts.state](facts)
    if facts.leftovers and facts.state not in ALIVE:
        left = counted(facts.leftovers, "process")
        sentences.append(f"Of its last run {left} {'is' if facts.leftovers == 1 else 'are'} left.")
        hints.append(f"oxtrio stop {facts.name}  (ends what is left, too)")
    about_clients, more = told_of_clients(facts)
    sentences += about_clients
    hints += more
    return Why(
        name=facts.name,
        state=facts.state,
        text=" ".join(sentences),
        hints=tuple(dict.fromkeys(hints)),
        last_lines=facts.last_lines,
    )


def _is(facts: WhyFacts, what: str) -> str:
    if not facts.since:
        return f"{facts.name} is {what}."
    return f"{facts.name} has been {what} for {facts.since}."


def _did(facts: WhyFacts, what: str) -> str:
    return f"{facts.name} {what} {facts.since} ago." if facts.since else f"{facts.name} {what}."


def _because(facts: WhyFacts) -> list[str]:
    return [f"{facts.reason[0].upper()}{facts.reason[1:]}."] if facts.reason else []


def _ended(facts: WhyFacts) -> tuple[list[str], list[str]]:
    """How the last run ended."""
    cause = cause_of(facts)
    if cause is None:
        return _ended_well(facts), []
    return [cause.text, *_lasted(facts, cause.text)], list(cause.hints)


def _ended_well(facts: WhyFacts) -> list[str]:
    if facts.exit is None:
        return []
    after = f" after {duration(facts.lasted)}" if facts.lasted is not None else ""
    return [f"Its last run ended with {facts.exit}{after}, which counts as success."]


def _lasted(facts: WhyFacts, told: str) -> list[str]:
    """What *told* has left out of how the last run ended."""
    exit = facts.exit
    if exit is None or exit.spawn_error or facts.env_file_error:
        return []
    end = "" if exit.signal is not None or str(exit) in told else f"It ended with {exit}"
    if facts.lasted is None:
        return [f"{end}."] if end else []
    return [f"{end} after {duration(facts.lasted)}." if end else _ran(facts.lasted)]


def _ran(lasted: float) -> str:
    return f"It had run for {duration(lasted)}."


def _last_answer(facts: WhyFacts) -> list[str]:
    answer = facts.last_health
    if answer is None or answer.text in facts.reason + facts.ended_because:
        return []
    return [f"The last answer of its health check: {answer}."]


def _stopped(facts: WhyFacts) -> Told:
    start = [f"oxtrio start {facts.name}"]
    if not facts.spec.enabled:
        return [_is(facts, "out of use"), "The oxfile disables it (`enabled = false`)."], start
    never = "It has not been started yet." if facts.exit is None else "An operator stopped it."
    said = [_is(facts, "stopped"), *(_because(facts) or [never])]
    if had_to_be_killed(facts):
        said.append(f"It had not ended by {facts.spec.stop.signal.name}, so it got SIGKILL.")
    return said, start


def _blocked(facts: WhyFacts) -> Told:
    blocker = facts.blocked_on
    if blocker is None:
        return [_is(facts, "waiting for a dependency"), *_because(facts)], ["oxtrio status"]
    its_reason = f": {blocker.reason}" if blocker.reason else ""
    needs = f"It needs {blocker.name} to {NEEDED[blocker.condition]} first (depends_on)"
    state = f"{needs}, and {blocker.name} is {blocker.state}{its_reason}."
    hints = [f"oxtrio why {blocker.name}"]
    if blocker.state in (State.CRASHED, State.STOPPED, State.EXITED):
        hints.append(f"oxtrio restart {blocker.name}")
    return [_is(facts, "waiting"), state], hints


def _starting(facts: WhyFacts) -> Told:
    ready = facts.spec.ready
    said = [_is(facts, "starting")]
    if ready.notify:
        said.append("It is to say READY=1 to its NOTIFY_SOCKET (sd_notify).")
    if ready.log_line is not None:
        said.append(f"A line of its output is to match {ready.log_line!r} (log_line).")
    if ready.notify or ready.log_line is not None:
        said.append(f"For that it is given {duration(ready.period)} from the start.")
    elif facts.spec.health is None:
        said.append(f"It counts as up when it has run for {duration(ready.start)}.")
    if facts.spec.health is not None:
        patience = facts.spec.health.initial_delay + facts.spec.health.start_period
        said.append(
            f"Its health check has not passed yet; it is given {duration(patience)} from the start."
        )
        said.extend(_last_answer(facts))
    if facts.restarts:
        ended, hints = _ended(facts)
        return [*said, *ended], [f"oxtrio logs -f {facts.name}", *hints]
    return said, [f"oxtrio logs -f {facts.name}"]


def _running(facts: WhyFacts) -> Told:
    said = [_is(facts, "running"), *_last_answer(facts)]
    if not facts.restarts:
        return said, []
    ended, hints = _ended(facts)
    times = "once" if facts.restarts == 1 else counted(facts.restarts, "time")
    said.append(f"It was restarted {times} because it had ended.")
    return [*said, *ended], hints


def _unhealthy(facts: WhyFacts) -> Told:
    health = facts.spec.health
    said = [_is(facts, "unhealthy"), *_because(facts), *_last_answer(facts)]
    if health is None or health.on_unhealthy is OnUnhealthy.RESTART:
        said.append("It is being restarted.")
        return said, list(health_hints(facts))
    said.append("It is left running (`on_unhealthy`), and is back when its check passes.")
    return said, [*health_hints(facts), f"oxtrio restart {facts.name}"]


def _backoff(facts: WhyFacts) -> Told:
    ended, hints = _ended(facts)
    next_step = "It starts again" + (f" in {duration(facts.next_in)}" if facts.next_in else " now")
    limit = facts.spec.restart.limit
    if facts.failures and limit:
        next_step += f"; this was failure {facts.failures} of {limit} that it is allowed"
    elif facts.failures:
        next_step += f"; this was failure {facts.failures} in a row, and it is never given up"
    said = [_is(facts, "waiting to be started again"), *(ended or _because(facts)), f"{next_step}."]
    return said, [*hints, f"oxtrio restart {facts.name}  (does not wait, and begins anew)"]


def _stopping(facts: WhyFacts) -> Told:
    stop = facts.spec.stop
    said = [_is(facts, "stopping"), *_because(facts)]
    said.append(f"It was sent {stop.signal.name}; SIGKILL follows {duration(stop.timeout)} later.")
    return said, [f"oxtrio logs -f {facts.name}"]


def _reloading(facts: WhyFacts) -> Told:
    said = [_is(facts, "reloading"), "It serves until a newcomer is ready to take over."]
    return [*said, *_because(facts)], [f"oxtrio logs -f {facts.name}"]


def _drained(facts: WhyFacts) -> Told:
    said = [_is(facts, "drained"), "It runs, but gets no new connections."]
    return [*said, *_because(facts)], [f"oxtrio resume {facts.name}"]


def _exited(facts: WhyFacts) -> Told:
    said = [_did(facts, "ended as it was meant to"), *_ended_well(facts)]
    if facts.spec.one_shot:
        said.append("It is a one-shot (`restart_on_exit = false`), so nothing follows.")
    else:
        said.append("It is restarted on failure only, so nothing follows.")
    return said, [f"oxtrio start {facts.name}"]


def _crashed(facts: WhyFacts) -> Told:
    ended, hints = _ended(facts)
    said = [_did(facts, "crashed"), *(ended or _because(facts)), _given_up(facts)]
    if facts.last_health and not facts.last_health.ok:
        said.extend(_last_answer(facts))
    return said, [*hints, f"oxtrio restart {facts.name}  (begins anew)"]


def _given_up(facts: WhyFacts) -> str:
    if facts.spec.one_shot:
        return "It is a one-shot (`restart_on_exit = false`), so it is not started again."
    if facts.failures > 1:
        return f"It was given up after {counted(facts.failures, 'failure')} in a row."
    return "It was given up."


def _paused(facts: WhyFacts) -> Told:
    said = [_is(facts, "paused"), "It got SIGSTOP and does nothing until it gets SIGCONT."]
    return said, [f"oxtrio signal SIGCONT {facts.name}"]


def _stuck(facts: WhyFacts) -> Told:
    said = [_is(facts, "stuck"), "It is still there although it was sent SIGKILL."]
    said.append("Mostly it waits in the kernel for a disk or a network file system (state D).")
    pid = facts.pid or "PID"
    return said, [f"ps -o pid,stat,wchan:30,args -p {pid}", "dmesg | tail"]


TOLD: dict[State, Callable[[WhyFacts], Told]] = {
    State.STOPPED: _stopped,
    State.BLOCKED: _blocked,
    State.STARTING: _starting,
    State.RUNNING: _running,
    State.UNHEALTHY: _unhealthy,
    State.BACKOFF: _backoff,
    State.STOPPING: _stopping,
    State.RELOADING: _reloading,
    State.DRAINED: _drained,
    State.EXITED: _exited,
    State.CRASHED: _crashed,
    State.PAUSED: _paused,
    State.STUCK: _stuck,
}

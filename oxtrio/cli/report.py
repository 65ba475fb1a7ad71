"""How an order ended, said to the operator: results on stdout, everything else on stderr."""

import sys

from oxtrio.cli import human, progress
from oxtrio.cli.terminal import note
from oxtrio.model.order import Failure, Order, Report, Until, Verb

_CANNOT = {
    Verb.START: "cannot start {name}",
    Verb.STOP: "cannot stop {name}",
    Verb.RESTART: "cannot restart {name}",
    Verb.RELOAD: "cannot reload {name}",
    Verb.RESET: "cannot reset {name}",
    Verb.SIGNAL: "cannot signal {name}",
    Verb.SCALE: "cannot scale {name}",
    Verb.DRAIN: "cannot drain {name}",
    Verb.RESUME: "cannot resume {name}",
    Verb.PAUSE: "cannot pause {name}",
    Verb.UPGRADE: "cannot upgrade {name}",
}
_WILL_NOT = {
    Until.RUNNING: "{name} will not run",
    Until.READY: "{name} will not be ready",
    Until.HEALTHY: "{name} will not be healthy",
    Until.EXITED: "{name} will not exit",
    Until.STOPPED: "{name} will not stop",
}
FAILED = 1
TIMED_OUT = 124


def show(order: Order, report: Report, look: str) -> int:
    """Print *report* and return the exit code that it means.

    *look* is the command that shows how the apps are.
    """
    for warning in report.warnings:
        note("warning", warning)
    if not progress.shown_live():
        for step in report.done:
            print(f"{step.name}: {step.state}" + (f" (pid {step.pid})" if step.pid else ""))
    _show_notes(order, report.notes)
    sys.stdout.flush()
    for failure in report.failures:
        _show_failure(order, failure)
    if report.timed_out:
        limit = f" within {human.seconds(order.timeout)}" if order.timeout else " in time"
        note("error", f"{order.verb} is not done{limit}")
        note("hint", f"it goes on; see: {look}")
        return TIMED_OUT
    return FAILED if report.failures else 0


def _show_notes(order: Order, notes: tuple[str, ...]) -> None:
    """What `start` has to say is its result; what others say is beside theirs."""
    for line in notes:
        if order.verb is Verb.START:
            print(line)
        else:
            note("note", line)


def _show_failure(order: Order, failure: Failure) -> None:
    phrase = _WILL_NOT[order.until] if order.verb is Verb.WAIT else _CANNOT[order.verb]
    note("error", f"{phrase.format(name=failure.name)}: {failure.reason}")
    show_last_lines(failure.last_lines)
    if failure.hint:
        note("hint", failure.hint)


def show_last_lines(lines: tuple[str, ...]) -> None:
    """The last output of an app on stderr, indented, and harmless to a terminal."""
    for line in lines:
        print(f"    {harmless(line)}".rstrip(), file=sys.stderr)
    sys.stderr.flush()


def harmless(line: str) -> str:
    """*line* of an app without anything that steers a terminal."""
    from oxtrio.policy.terminal import safe_text

    return safe_text(line.encode("utf-8", "surrogateescape"))

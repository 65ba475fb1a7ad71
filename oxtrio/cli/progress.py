"""Waiting for an order: one live line per instance on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterable

from oxtrio.cli.table import COLOURS
from oxtrio.cli.terminal import cut, height, paint, plain, wants_colour, width
from oxtrio.errors import ProtocolError
from oxtrio.model.order import Report, Step
from oxtrio.model.state import State

SETTLED = frozenset(
    ("running", "exited", "stopped", "crashed", "stuck", "backoff", "unhealthy", "drained")
    + ("paused",)
)


def follow(answers: Iterable[Step | Report]) -> Report:
    """Show each step until the report comes, and return it."""
    live = Live() if sys.stderr.isatty() else None
    for answer in answers:
        if isinstance(answer, Report):
            if live is not None:
                live.finish(answer)
            return answer
        if live is not None:
            live.show(answer)
    raise ProtocolError("the supervisor ended before it had answered", hint="oxtrio status")


def shown_live() -> bool:
    """Whether the operator has seen the steps on the terminal where results go as well."""
    return sys.stderr.isatty() and sys.stdout.isatty()


class Live:
    """A block of lines at the bottom of the terminal, drawn anew with every step."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._drawn = 0
        self._colour = wants_colour(sys.stderr)

    def show(self, step: Step) -> None:
        self._steps[step.name] = step
        self._draw(self._fitting())

    def finish(self, report: Report) -> None:
        """Leave the final state of everything on the screen, in the order of the report."""
        done = {step.name: step for step in report.done}
        self._draw(list((done | {**self._steps, **done}).values()))

    def _fitting(self) -> list[Step]:
        """What has room: a block higher than the screen could not be drawn over."""
        steps = list(self._steps.values())
        room = max(height() - 2, 1)
        busy = [step for step in steps if step.state not in SETTLED]
        return steps if len(steps) <= room else (busy or steps)[-room:]

    def _draw(self, steps: list[Step]) -> None:
        longest = max((len(step.name) for step in steps), default=0)
        lines = [line(step, longest, self._colour) for step in steps]
        over = f"\x1b[{self._drawn}A" if self._drawn else ""
        sys.stderr.write(over + "".join(f"\r{text}\x1b[K\n" for text in lines) + "\x1b[J")
        sys.stderr.flush()
        self._drawn = len(lines)


def line(step: Step, longest: int, colour: bool) -> str:
    """`api:0  running  pid 22140`, never wider than the terminal."""
    rest = f"pid {step.pid}" if step.pid and not step.reason else plain(step.reason)
    room = max(width() - longest - 14, 12)
    hue = COLOURS[State(step.state)] if step.state in COLOURS else ""
    state = paint(f"{step.state:<10}", hue, colour)
    return f"{step.name:<{longest}}  {state}  {cut(rest, room)}".rstrip()

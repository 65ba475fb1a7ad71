"""What happened, and why: events and the answer of `why`, as text."""

import textwrap
from typing import TextIO

from oxtrio.cli.report import harmless
from oxtrio.cli.table import COLOURS
from oxtrio.cli.terminal import paint, plain, wants_colour, width
from oxtrio.model.order import Why
from oxtrio.model.state import State
from oxtrio.model.status import Event

NAME = 14
STATE = 9
"""Columns of an event; what is longer pushes the rest aside, as nobody knows what is to come."""


def event(event: Event) -> str:
    """One event on one line: when, to whom, what, why."""
    rest = plain(event.reason) or (f"pid {event.pid}" if event.pid else "")
    state = event.state or event.kind
    return f"{event.at}  {event.name or 'oxtrio':<{NAME}}  {state:<{STATE}}  {rest}".rstrip()


def show(why: Why, out: TextIO) -> None:
    """The paragraph, what to do next, and the last lines of the app."""
    terminal = out.isatty()
    state = paint(why.state, COLOURS[State(why.state)], wants_colour(out))
    print(f"{why.name}: {state}", file=out)
    print(
        textwrap.fill(plain(why.text), min(width(), 100)) if terminal else plain(why.text), file=out
    )
    for hint in why.hints:
        print(f"hint: {plain(hint)}", file=out)
    if why.last_lines:
        print("last lines:", file=out)
    for line in why.last_lines:
        print(f"    {harmless(line)}".rstrip(), file=out)

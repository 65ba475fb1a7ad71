"""What happened, and why: events and the answer of `why`, as text."""

import textwrap
from typing import TextIO

from oxtrio.cli.report import harmless
from oxtrio.cli.table import COLOURS
from oxtrio.cli.terminal import paint, plain, wants_colour, width
from oxtrio.model.order import Why
from oxtrio.model.state import State
from oxtrio.model.status import Event


def event(event: Event) -> str:
    """One event on one line: `2025-01-31T10:00:00.000+01:00  api  running  pid 22140`."""
    rest = plain(event.reason) or (f"pid {event.pid}" if event.pid else "")
    words = (event.at, event.name or "oxtrio", event.state or event.kind, rest)
    return "  ".join(word for word in words if word)


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

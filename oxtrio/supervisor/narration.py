"""What happens to apps, told as it happens: on the terminal of `run`, or in supervisor.log."""

from collections.abc import Callable

from oxtrio.model.state import Happening
from oxtrio.model.status import Event
from oxtrio.supervisor.journal import Journal

TOLD = frozenset(
    {Happening.HELD, Happening.SPAWNED, Happening.UNWELL, Happening.WELL, Happening.RETRY}
    | {Happening.GAVE_UP, Happening.ENDED, Happening.SURVIVED, Happening.PAUSED}
)
"""What an operator wants to read; the rest is in `oxtrio events`."""


async def narrate(journal: Journal, say: Callable[[str], None]) -> None:
    """Say what happens, until cancelled. A storm of events is cut short, never waited for."""
    while True:
        with journal.broadcast.subscribe() as events:
            async for event in events:
                if event.kind in TOLD:
                    say(sentence(event))


def sentence(event: Event) -> str:
    """One event in a line: `web: exit code 1; waits 0.4 s`."""
    if event.kind == Happening.SPAWNED:
        return f"{event.name}: started (pid {event.pid})"
    if event.kind == Happening.GAVE_UP:
        return f"{event.name}: {event.reason}; given up"
    return f"{event.name}: {event.reason or event.state}"

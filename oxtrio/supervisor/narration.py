"""What happens to apps, told as it happens: on the terminal of `run`, or in supervisor.log."""

from collections.abc import Callable

from oxtrio.model.state import Happening
from oxtrio.model.status import Event
from oxtrio.supervisor.journal import Journal

LEVELS = ("debug", "info", "warning", "error")

LEVEL_OF = {
    Happening.HELD: "info",
    Happening.SPAWNED: "info",
    Happening.WELL: "info",
    Happening.ENDED: "info",
    Happening.PAUSED: "info",
    Happening.NEWCOMER: "info",
    Happening.REPLACED: "info",
    Happening.DRAINED: "info",
    Happening.RESUMED: "info",
    Happening.REJECTED: "warning",
    Happening.UNWELL: "warning",
    Happening.KILLED: "warning",
    Happening.RETRY: "warning",
    Happening.GAVE_UP: "error",
    Happening.SURVIVED: "error",
}
"""How serious a happening is; the others are only told to who asks for `debug`."""

TOLD = frozenset({"upgrade-refused", "upgrade-failed"})
"""Of what happens to the supervisor itself, what nobody else tells an operator."""


async def narrate(journal: Journal, level: str, say: Callable[[str], None]) -> None:
    """Say what happens and is at least of *level*, until cancelled.

    A storm of events is cut short, never waited for; `oxtrio events` has them all.
    """
    least = LEVELS.index(level)
    while True:
        with journal.broadcast.subscribe() as events:
            async for event in events:
                if event.kind in TOLD:
                    say(f"not upgraded: {event.reason}")
                elif event.name and LEVELS.index(_level_of(event)) >= least:
                    say(sentence(event))


def _level_of(event: Event) -> str:
    return LEVEL_OF.get(Happening(event.kind), "debug")


def sentence(event: Event) -> str:
    """One event in a line: `web: exit code 1; waits 0.4 s`."""
    if event.kind == Happening.SPAWNED:
        return f"{event.name}: started (pid {event.pid})"
    if event.kind == Happening.REPLACED:
        because = f": {event.reason}" if event.reason else ""
        return f"{event.name}: replaced by the newcomer (pid {event.pid}){because}"
    if event.kind == Happening.GAVE_UP:
        return f"{event.name}: {event.reason}; given up"
    return f"{event.name}: {event.reason or event.state}"

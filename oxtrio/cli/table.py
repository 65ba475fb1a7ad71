"""The table that `status` shows: aligned columns, no borders."""

from collections.abc import Sequence

from oxtrio.cli import human
from oxtrio.cli.terminal import cut, paint, plain
from oxtrio.model.state import ALIVE, State
from oxtrio.model.status import InstanceStatus

HEADS = ("NAME", "PID", "STATUS", "CPU", "MEM", "RESTARTS", "UPTIME", "HEALTH", "REASON")
STATUS = HEADS.index("STATUS")
HEALTH = HEADS.index("HEALTH")
GAP = "  "

COLOURS = {
    State.RUNNING: "green",
    State.STARTING: "yellow",
    State.BLOCKED: "yellow",
    State.BACKOFF: "yellow",
    State.STOPPING: "yellow",
    State.RELOADING: "yellow",
    State.DRAINED: "yellow",
    State.PAUSED: "yellow",
    State.UNHEALTHY: "red",
    State.CRASHED: "red",
    State.STUCK: "red",
    State.STOPPED: "dim",
    State.EXITED: "dim",
}
HEALTH_COLOURS = {"healthy": "green", "unhealthy": "red", "starting": "yellow"}


def cells(row: InstanceStatus) -> tuple[str, ...]:
    """What each column says of one instance."""
    alive = row.status in ALIVE
    return (
        row.name,
        str(row.pid) if row.pid else "-",
        row.status,
        human.percent(row.cpu_percent if alive else None),
        human.memory(row.memory_bytes if alive else None),
        str(row.restarts),
        human.span(row.uptime_secs if alive else None),
        row.health or "-",
        reason(row),
    )


def reason(row: InstanceStatus) -> str:
    """Why it is in its state, and what is left of an ended run."""
    said = plain(row.reason)
    left = f"{row.leftover} {'process' if row.leftover == 1 else 'processes'} left"
    if row.leftover and left not in said:
        return f"{said}, {left}" if said else left
    return said


def lines(
    rows: Sequence[InstanceStatus], *, colour: bool = False, columns: int | None = None
) -> list[str]:
    """The table, heads first; the reason is cut so that no line is wider than *columns*."""
    texts = [cells(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(HEADS, *texts, strict=True)]
    before = sum(widths[:-1]) + len(GAP) * len(widths[:-1])
    room = None if columns is None else max(columns - before, 12)
    table = [_line(HEADS, widths, ("",) * len(HEADS))]
    for row, text in zip(rows, texts, strict=True):
        shown = text if room is None else (*text[:-1], cut(text[-1], room))
        table.append(_line(shown, widths, _colours(row) if colour else ("",) * len(HEADS)))
    return table


def _colours(row: InstanceStatus) -> tuple[str, ...]:
    colours = [""] * len(HEADS)
    colours[STATUS] = COLOURS.get(row.status, "")
    colours[HEALTH] = HEALTH_COLOURS.get(row.health, "")
    return tuple(colours)


def _line(texts: Sequence[str], widths: Sequence[int], colours: Sequence[str]) -> str:
    """Padded first and coloured after, as colour has no width."""
    padded = (text.ljust(width) for text, width in zip(texts, widths, strict=True))
    line = GAP.join(paint(text, hue, bool(hue)) for text, hue in zip(padded, colours, strict=True))
    return line.rstrip()

"""The table that `status` shows: aligned columns, no borders."""

from collections.abc import Sequence

from oxtrio.cli import human
from oxtrio.cli.terminal import cut, paint, plain
from oxtrio.model.state import ALIVE, State
from oxtrio.model.status import InstanceStatus

HEADS = ("NAME", "PID", "STATUS", "CPU", "MEM", "RESTARTS", "UPTIME", "HEALTH", "REASON")
LISTEN = "LISTEN"
"""A last column, where anything is held and there is room for it."""
LEAST = 12
"""Columns that a reason has at least, where it needs them."""
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
    """Why it is in its state, and what is left of an ended run.

    Where there is nothing to say of that: what a reload would cost, or what it says itself.
    """
    gap = f"a reload means a gap: {row.gap}" if row.gap else ""
    said = plain(row.reason or gap or row.said or "")
    left = f"{row.leftover} {'process' if row.leftover == 1 else 'processes'} left"
    if row.leftover and left not in said:
        return f"{said}, {left}" if said else left
    return said


def lines(
    rows: Sequence[InstanceStatus], *, colour: bool = False, columns: int | None = None
) -> list[str]:
    """The table, heads first; the reason is cut so that no line is wider than *columns*."""
    heads, texts = _texts(rows, columns)
    widths = _widths(heads, texts)
    drawn = [_line(heads, widths, ("",) * len(heads))]
    for row, text in zip(rows, texts, strict=True):
        hues = _colours(row, len(heads)) if colour else ("",) * len(heads)
        drawn.append(_line(text, widths, hues))
    return drawn


def _texts(
    rows: Sequence[InstanceStatus], columns: int | None
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads and cells, with what is held where there is anything, and room beside the reason."""
    texts = [cells(row) for row in rows]
    *before, longest = _widths(HEADS, texts)
    room = longest if columns is None else columns - sum(before) - len(GAP) * len(before)
    held = [plain(", ".join(row.listen)) or "-" for row in rows]
    beside = room - len(GAP) - max(map(len, (LISTEN, *held)))
    shown = any(row.listen for row in rows)
    if columns is not None:
        shown = shown and beside >= min(LEAST, longest)
        room = max(beside if shown else room, LEAST)
    texts = [(*text[:-1], cut(text[-1], room)) for text in texts]
    if not shown:
        return HEADS, texts
    return (*HEADS, LISTEN), [(*text, one) for text, one in zip(texts, held, strict=True)]


def _widths(heads: Sequence[str], texts: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(heads, *texts, strict=True)]


def _before_reason(texts: Sequence[Sequence[str]]) -> int:
    widths = _widths(HEADS, texts)[:-1]
    return sum(widths) + len(GAP) * len(widths)


def _colours(row: InstanceStatus, columns: int) -> tuple[str, ...]:
    colours = [""] * columns
    colours[STATUS] = COLOURS.get(row.status, "")
    colours[HEALTH] = HEALTH_COLOURS.get(row.health, "")
    return tuple(colours)


def _line(texts: Sequence[str], widths: Sequence[int], colours: Sequence[str]) -> str:
    """Padded first and coloured after, as colour has no width."""
    padded = (text.ljust(width) for text, width in zip(texts, widths, strict=True))
    line = GAP.join(paint(text, hue, bool(hue)) for text, hue in zip(padded, colours, strict=True))
    return line.rstrip()

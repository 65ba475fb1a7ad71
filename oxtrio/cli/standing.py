"""How the instances stand: shown once, shown again and again, or asked for an exit code."""

from __future__ import annotations

import json as jsonlib
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, NoReturn

from oxtrio.cli import table
from oxtrio.cli.terminal import height, note, wants_colour, width
from oxtrio.errors import UsageError
from oxtrio.model.state import State
from oxtrio.model.status import InstanceStatus

if TYPE_CHECKING:
    from oxtrio.control.client import Client

UP = frozenset({State.RUNNING, State.RELOADING, State.DRAINED, State.EXITED})
NOT_ALL_UP = 3
NOT_READY = 1
INTERVAL = 1.0


def show(client: Client, names: tuple[str, ...], *, json: bool) -> int:
    """Print the table (or JSON) and return the exit code that it means."""
    rows = client.status(names, fresh=True)
    if json:
        print(jsonlib.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
    else:
        print("\n".join(_drawn(rows)))
        for warning in client.supervisor().warnings:
            note("warning", warning)
    return 0 if all_up(rows) else NOT_ALL_UP


def readiness(client: Client, names: tuple[str, ...]) -> int:
    """0 when every wanted instance is up, else 1."""
    return 0 if all_up(client.status(names, fresh=False)) else NOT_READY


def all_up(rows: Sequence[InstanceStatus]) -> bool:
    """Whether everything that an operator wants up is up, or has ended as meant."""
    return all(row.status in UP for row in rows if row.wanted and row.enabled)


def watch(client: Client, names: tuple[str, ...]) -> NoReturn:
    """Draw the table in place every second, until Ctrl-C."""
    if not sys.stdout.isatty():
        raise UsageError("cannot watch: stdout is not a terminal", hint="oxtrio status --json")
    drawn = 0
    while True:
        lines = _drawn(client.status(names, fresh=True))
        room = max(height() - 1, 2)
        if len(lines) > room:
            lines = [*lines[: room - 1], f"… {len(lines) - room + 1} more"]
        over = f"\x1b[{drawn}A" if drawn else ""
        sys.stdout.write(over + "".join(f"\r{line}\x1b[K\n" for line in lines) + "\x1b[J")
        sys.stdout.flush()
        drawn = len(lines)
        time.sleep(INTERVAL)


def _drawn(rows: Sequence[InstanceStatus]) -> list[str]:
    columns = width() if sys.stdout.isatty() else None
    return table.lines(rows, colour=wants_colour(sys.stdout), columns=columns)

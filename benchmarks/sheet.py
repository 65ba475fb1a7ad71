"""A table that has a column for every side."""

import subprocess
from collections.abc import Callable, Mapping, Sequence

from benchmarks.bench import Bench
from benchmarks.failure import Failed
from benchmarks.rounds import OURS, progress
from benchmarks.table import Table
from benchmarks.webapp import OWN

Cells = Mapping[str, str]
"""What was measured by name, as it is to be read; the same names on every side."""
Measure = Callable[[], Cells]
NOTHING = "-"


def sheet(bench: Bench, title: str, about: str) -> Table:
    header = ("", "", *_columns(bench))
    return Table(title, about, header=header, right=tuple(range(2, len(header))))


def fill(table: Table, bench: Bench, title: str, sides: Mapping[str, Measure]) -> None:
    """Add what *sides* measure under *title*, one after the other.

    A side that fails is left out, and the table says so. Raises `Failed` where oxtrio fails.
    """
    found: dict[str, Cells] = {}
    for name, measure in sides.items():
        progress(f"{table.title}: {title}: {name}")
        try:
            found[name] = measure()
        except (Failed, OSError, subprocess.SubprocessError) as error:
            if name == OURS:
                raise Failed(f"{title}: {error}") from error
            table.note(f"{title}: {name} is left out: {error}")
    progress("")
    for at, what in enumerate(found[OURS]):
        cells = (found.get(name, {}).get(what, NOTHING) for name in _columns(bench))
        table.rows.append((title if at == 0 else "", what, *cells))


def _columns(bench: Bench) -> Sequence[str]:
    return (OURS, OWN, *(peer.name for peer in bench.web))

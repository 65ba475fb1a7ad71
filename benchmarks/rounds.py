"""Measuring several sides in turn, so that what else the machine does meets all alike."""

import subprocess
import sys
from collections.abc import Callable, Mapping

from benchmarks.failure import Failed
from benchmarks.table import Table
from benchmarks.value import Value, middle

Measure = Callable[[], Mapping[str, Value]]
"""What was measured by name; the same names on every side."""

OURS = "oxtrio"


def compare(table: Table, rounds: int, sides: Mapping[str, Measure]) -> None:
    """Fill *table* with the medians of *rounds*, oxtrio's beside those of all other sides.

    A side that fails is left out, and the table says so. Raises `Failed` where oxtrio fails.
    """
    found: dict[str, list[Mapping[str, Value]]] = {name: [] for name in sides}
    for number in range(1, rounds + 1):
        for name in list(found):
            progress(f"{table.title}: round {number} of {rounds}: {name}")
            try:
                found[name].append(sides[name]())
            except (Failed, OSError, subprocess.SubprocessError) as error:
                if name == OURS:
                    raise Failed(str(error)) from error
                table.note(f"{name} is left out: {error}")
                del found[name]
    progress("")
    medians = {name: _medians(results) for name, results in found.items()}
    for what, ours in medians.pop(OURS).items():
        besides = [(name, values[what]) for name, values in medians.items() if what in values]
        table.add(what, ours, *besides)


def _medians(results: list[Mapping[str, Value]]) -> dict[str, Value]:
    return {what: middle([each[what] for each in results]) for what in results[0]}


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

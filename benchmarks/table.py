"""A table of what was measured: oxtrio beside others, with the ratio of the two or side by side."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from benchmarks.value import Value

HEADER = ("what", "oxtrio", "beside", "ratio")
RIGHT = (1, 3)
"""The columns of that which are aligned to the right."""
WIDTH = 100
Beside = tuple[str, Value]


@dataclass(slots=True)
class Table:
    """One benchmark. *about* says how it was measured, *notes* what was left out and why."""

    title: str
    about: str
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    header: tuple[str, ...] = HEADER
    right: tuple[int, ...] = RIGHT

    def add(self, what: str, ours: Value, *besides: Beside) -> None:
        """One thing that was measured, beside any number of others."""
        rows = [(f"{name}: {value}", ours.ratio(value)) for name, value in besides]
        for at, (beside, ratio) in enumerate(rows or [("", "")]):
            first = (what, str(ours)) if at == 0 else ("", "")
            self.rows.append((*first, beside, ratio))

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def plain(table: Table) -> str:
    """For a terminal."""
    about = textwrap.wrap(table.about, WIDTH)
    rows = _aligned([table.header, *table.rows], table.right)
    lines = [f"== {table.title}", *about, "", *rows]
    return "\n".join([*lines, *(f"note: {note}" for note in table.notes), ""])


def markdown(table: Table) -> str:
    """For `docs/benchmarks.md`."""
    rows = ["| " + " | ".join(row) + " |" for row in (table.header, *table.rows)]
    ends = ["--:" if at in table.right else "---" for at in range(len(table.header))]
    rows.insert(1, f"|{'|'.join(ends)}|")
    notes = [f"\n{note[0].upper()}{note[1:]}." for note in table.notes]
    return "\n".join([f"## {table.title}", "", table.about, "", *rows, *notes, ""])


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[int]) -> list[str]:
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]

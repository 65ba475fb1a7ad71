"""doctor."""

import json as jsonlib
import sys
from collections.abc import Sequence
from dataclasses import asdict

import typer

from oxtrio.cli.grammar import target_of, verb
from oxtrio.cli.options import Json
from oxtrio.cli.terminal import paint, plain, wants_colour
from oxtrio.model.diagnosis import Diagnosis, Verdict

MARKS = {Verdict.GOOD: ("✓", "green"), Verdict.WEAKER: ("!", "yellow"), Verdict.WRONG: ("✗", "red")}


@verb("doctor", examples="oxtrio doctor\noxtrio doctor --json | jq '.[] | select(.hint != \"\")'")
def doctor(context: typer.Context, json: Json = False) -> None:
    """Say what is in force on this machine, what is weaker, what is wrong.

    It works with and without a supervisor. Exit code 1 when something is wrong.
    """
    from oxtrio.cli.diagnosing import diagnose

    found = list(diagnose(target_of(context)))
    if json:
        print(jsonlib.dumps([asdict(each) for each in found], indent=2, ensure_ascii=False))
    else:
        print("\n".join(lines_of(found)))
    raise typer.Exit(any(each.verdict is Verdict.WRONG for each in found))


def lines_of(found: Sequence[Diagnosis]) -> list[str]:
    """One line per subject, with its mark; below it what to do."""
    width = max(len(each.subject) for each in found)
    colour = wants_colour(sys.stdout)
    lines = []
    for each in found:
        mark, painted = MARKS[each.verdict]
        lines.append(f"{paint(mark, painted, colour)} {each.subject:{width}}  {plain(each.text)}")
        if each.hint:
            lines.append(f"  {'':{width}}  → {plain(each.hint)}")
    return lines

"""events, why."""

import json as jsonlib
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from oxtrio.cli import explanation
from oxtrio.cli.grammar import target_of, verb
from oxtrio.cli.options import Json, JsonLines, OneName
from oxtrio.cli.output import until_it_ends
from oxtrio.errors import UsageError

EVENTS = 50


@verb("events", examples="oxtrio events -f\noxtrio events -n 500 --json")
def events(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new ones.")] = False,
    lines: Annotated[
        int, typer.Option("-n", "--lines", metavar="N", help=f"The last N; {EVENTS} if unsaid.")
    ] = EVENTS,
    json: JsonLines = False,
) -> None:
    """Show what happened: starts, exits, restarts, and why."""
    if lines < 0:
        raise UsageError(f"cannot show {lines} events")
    with target_of(context).client() as client:
        for event in until_it_ends(client.events(last=lines, follow=follow), follow):
            text = jsonlib.dumps(asdict(event)) if json else explanation.event(event)
            print(text, flush=follow)


@verb("why", examples="oxtrio why worker")
def why(context: typer.Context, name: OneName, json: Json = False) -> None:
    """Say why an app is in its state, and what to do about it."""
    with target_of(context).client() as client:
        found = client.why(name)
    if json:
        print(jsonlib.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        explanation.show(found, sys.stdout)

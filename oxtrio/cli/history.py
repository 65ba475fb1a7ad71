"""events, why."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from oxtrio.cli import explanation
from oxtrio.cli.comeback import followed
from oxtrio.cli.grammar import target_of, verb
from oxtrio.cli.options import Json, JsonLines, OneName
from oxtrio.cli.target import Target
from oxtrio.errors import UsageError
from oxtrio.model.status import Event

if TYPE_CHECKING:
    from oxtrio.control.client import Client

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
    target = target_of(context)
    for event in _followed(target, lines) if follow else _last(target, lines):
        text = jsonlib.dumps(asdict(event)) if json else explanation.event(event)
        print(text, flush=follow)


def _last(target: Target, count: int) -> Iterator[Event]:
    with target.client() as client:
        yield from client.events(last=count)


def _followed(target: Target, count: int) -> Iterator[Event]:
    seen: int | None = None

    def ask(client: Client) -> Iterator[Event]:
        if seen is None:
            return client.events(last=count, follow=True)
        return client.events(since=seen, follow=True)

    for event in followed(target, ask):
        seen = event.seq
        yield event


@verb("why", examples="oxtrio why worker")
def why(context: typer.Context, name: OneName, json: Json = False) -> None:
    """Say why an app is in its state, and what to do about it."""
    with target_of(context).client() as client:
        found = client.why(name)
    if json:
        print(jsonlib.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        explanation.show(found, sys.stdout)

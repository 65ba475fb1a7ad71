"""Starting and stopping the supervisor itself, as part of `start` and `stop`."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import typer

from oxtrio.cli import ordering, preview
from oxtrio.cli.target import Target
from oxtrio.cli.terminal import note
from oxtrio.errors import NotRunning, OxtrioError, ProtocolError, TimedOut
from oxtrio.model.order import Order, Report
from oxtrio.model.state import State

if TYPE_CHECKING:
    from oxtrio.control.client import Client

PATIENCE = 30.0
"""How long the supervisor may take to be gone after it has stopped everything."""
TRIED = frozenset({State.BACKOFF, State.STARTING, State.BLOCKED, State.UNHEALTHY})
"""States of what is not up yet, and may be."""
TRIES = 3
"""Supervisors in a row that may die by force while they stop everything."""


def start(target: Target, order: Order) -> None:
    """Start the supervisor where there is none, then what *order* names."""
    target.hurry()
    if not target.is_running():
        # Apps that run without a supervisor must have one, whatever is wrong with the rest.
        if order.dry_run or not target.has_left_running():
            preview.check_names(target.config(), order.names)
        if order.dry_run:
            print(preview.would_start(target.config(), order.names))
            return
        target.launch()
    if order.dry_run:
        ordering.obey(target, order)
        return
    try:
        ordering.obey(target, order)
    except typer.Exit:
        if _goes_on(target):
            note("hint", "oxtrio goes on trying what has failed")
        _show_next(target)
        raise
    _show_next(target)


def _goes_on(target: Target) -> bool:
    """Whether anything that is not up is still tried: a one-shot that failed is not."""
    with suppress(OxtrioError), target.client() as client:
        return any(row.wanted and row.status in TRIED for row in client.status())
    return False


def _show_next(target: Target) -> None:
    words = ("logs -f", "status", "stop")
    print("next: " + " · ".join(target.command(word) for word in words))


def stop(target: Target, order: Order) -> None:
    """Stop what *order* names; where that is all, return when the supervisor is gone."""
    target.hurry()
    with ExitStack() as stack:
        try:
            client = stack.enter_context(target.client())
        except NotRunning:
            if target.is_running():
                raise  # somebody holds the lock, and does not answer
            if target.has_left_running():
                what = "starts it again" if order.names else "ends them"
                note("warning", f"the supervisor is gone, but its apps still run: {what}")
                target.launch()
                stop(target, order)
                return
            note("warning", "not running")
            return
        report = _stopped(target, client, order)
    ordering.shown(target, order, report)
    if not report.ends_supervisor or not order.wait:
        return
    if not target.wait_gone(order.timeout or PATIENCE):
        raise TimedOut("the supervisor has stopped all apps, but is still there")
    print("the supervisor has ended")


def _stopped(target: Target, client: Client, order: Order, tries: int = TRIES) -> Report:
    """The report of a stop; a supervisor that ends before it has answered has stopped too."""
    try:
        return ordering.carried_out(client, order)
    except (NotRunning, ProtocolError):
        if order.names:
            raise
        # It may have died by force meanwhile: then the next one is told.
        with suppress(NotRunning), target.client() as successor:
            if tries > 1:
                return _stopped(target, successor, order, tries - 1)
        if not target.wait_gone(PATIENCE):
            raise
        return Report(ends_supervisor=True)

"""An order, from the command line to its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from oxtrio.cli import progress, report
from oxtrio.cli.target import Target
from oxtrio.errors import ProtocolError
from oxtrio.model.order import Order, Report, Verb

if TYPE_CHECKING:
    from oxtrio.control.client import Client


def obey(target: Target, order: Order) -> None:
    """Have *order* done by the supervisor that runs, and show how it went.

    Ends the command with exit code 1 or 124 where it was not done.
    """
    while True:
        with target.client() as client:
            try:
                report = carried_out(client, order)
                break
            except ProtocolError:
                # Who only waits can ask the next supervisor: after a crash, or an upgrade.
                if order.verb is not Verb.WAIT or not target.comes_back():
                    raise
    shown(target, order, report)


def carried_out(client: Client, order: Order) -> Report:
    """The report of *order*, once its progress has been shown."""
    return progress.follow(client.order(order))


def shown(target: Target, order: Order, done: Report) -> None:
    """Say how *order* went; typer.Exit where that is a failure."""
    code = report.show(order, done, target.command("status"))
    if code:
        raise typer.Exit(code)

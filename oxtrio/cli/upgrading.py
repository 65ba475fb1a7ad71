"""upgrade."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from oxtrio.cli.grammar import target_of, verb
from oxtrio.cli.options import Timeout
from oxtrio.cli.ordering import carried_out, shown
from oxtrio.cli.target import Target
from oxtrio.cli.terminal import note
from oxtrio.errors import DaemonUnreachable, NotRunning, OxtrioError, ProtocolError, TimedOut
from oxtrio.model.order import Order, Verb
from oxtrio.policy.quantities import counted

if TYPE_CHECKING:
    from oxtrio.model.order import SupervisorStatus
    from oxtrio.model.status import InstanceStatus

PATIENCE = 60.0
"""Seconds that the new program may take until it answers."""
LOOK_EVERY = 0.05


@verb(
    "upgrade",
    examples="pip install -U oxtrio && oxtrio upgrade\n"
    "oxtrio upgrade --dry-run     whether the installed program could go on from here",
)
def upgrade(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say whether it would work.")
    ] = False,
    timeout: Timeout = None,
) -> None:
    """Replace the supervisor's own program by the one that is installed now.

    Apps run on with the same pids, sockets and logs. Refused, with the old program running on,
    where the new one cannot read the state or the oxfile.
    """
    target = target_of(context)
    order = Order(verb=Verb.UPGRADE, dry_run=dry_run, timeout=timeout)
    with target.client() as client:
        before, apps = client.supervisor(), client.status()
        report = carried_out(client, order)
    if dry_run:
        shown(target, order, report)
        return
    after = _wait_for(target, before, PATIENCE if timeout is None else timeout)
    how = after.version if after.version != before.version else f"{after.version} again"
    print(f"oxtrio {before.version} is replaced by {how}: {_who_runs_on(target, apps)}")


def _wait_for(target: Target, before: SupervisorStatus, patience: float) -> SupervisorStatus:
    """What the supervisor is once its program is another one."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        # Its socket is open all the time; only who was being answered is hung up on.
        with suppress(NotRunning, ProtocolError, DaemonUnreachable), target.client() as client:
            now = client.supervisor()
            if now.upgrades > before.upgrades or now.pid != before.pid:
                return now
            if now.upgrade_failed:
                raise OxtrioError(f"not upgraded: {now.upgrade_failed}", "the old one runs on")
        time.sleep(LOOK_EVERY)
    raise TimedOut(f"the new program does not answer within {patience:g} s", "oxtrio status")


def _who_runs_on(target: Target, before: list[InstanceStatus]) -> str:
    with target.client() as client:
        pids = {row.name: row.pid for row in client.status()}
    ran = [row for row in before if row.pid is not None]
    others = [row.name for row in ran if pids.get(row.name) != row.pid]
    if others:
        note("warning", f"with another pid than before: {', '.join(others)}")
    same = len(ran) - len(others)
    return f"{counted(same, 'app')} {'runs' if same == 1 else 'run'} on as before"

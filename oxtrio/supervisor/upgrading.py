"""The order `upgrade`: another program takes the place of this one, and everything runs on."""

from typing import Protocol

import trio

from oxtrio import __version__
from oxtrio.errors import OxtrioError, Refused
from oxtrio.model.order import Report
from oxtrio.model.state import State
from oxtrio.process.instance import Instance
from oxtrio.supervisor.orders import Errand, require

QUIET_WITHIN = 60.0
"""Seconds that stops and reloads which are under way may take before an upgrade is refused."""


class Successor(Protocol):
    """The program that is installed now (oxtrio/upgrade.py)."""

    async def rehearse(self) -> str:
        """Its version, once it has shown that it can go on from here. Raises `OxtrioError`."""

    def call(self) -> None:
        """Have it take our place, as soon as the answers that are under way are given."""


async def upgrade(errand: Errand) -> Report:
    """Have the program replaced. What is refused, and why, is an event too."""
    supervisor, order = errand.supervisor, errand.order
    require(not order.names, "upgrade takes no names", "it replaces the supervisor, and no app")
    if supervisor.successor is None:
        raise Refused("this supervisor is part of another program, which cannot be replaced")
    try:
        version = await supervisor.successor.rehearse()
        if order.dry_run:
            return Report(notes=(f"Would replace oxtrio {__version__} by {version}",))
        await _wait_quiet(errand)
    except OxtrioError as error:
        supervisor.journal.record("", "upgrade-refused", reason=error.message)
        raise
    supervisor.successor.call()
    return Report(notes=(f"oxtrio {__version__} is replaced by {version}",))


async def _wait_quiet(errand: Errand) -> None:
    supervisor = errand.supervisor
    with trio.move_on_after(QUIET_WITHIN):
        while under_way(supervisor.instances()):
            await supervisor.changed.park()
    if what := under_way(supervisor.instances()):
        raise Refused(f"cannot upgrade now: {what}", "try again when that is over: oxtrio status")


def under_way(instances: list[Instance]) -> str:
    """What could not be gone on with by another program; "" where there is nothing."""
    for instance in instances:
        if instance.state is State.STUCK:
            return f"{instance.name} is stuck ({instance.reason})"
        if instance.newcomer is not None:
            return f"{instance.name} is being reloaded"
        if instance.is_between_lives:
            return f"{instance.name} is being stopped"
    return ""

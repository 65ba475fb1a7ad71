"""Reload: the named apps are replaced by what the oxfile says now, as their manner allows."""

from collections.abc import Sequence
from dataclasses import replace

import trio

from oxtrio.model.order import Failure, Report
from oxtrio.model.state import ALIVE, State
from oxtrio.process.instance import Instance
from oxtrio.supervisor.orders import Errand, step_of
from oxtrio.supervisor.restarting import about_others
from oxtrio.supervisor.rolling import Roll
from oxtrio.supervisor.selection import select
from oxtrio.supervisor.taking import Taken, take_config


async def reload(errand: Errand) -> Report:
    """Replace what is named, one instance of an app after the other.

    The first instance whose successor does not get up ends the roll of its app: the others
    stay as they are. A second reload of an app waits for the first. Cancelling leaves every
    instance with one run, the old or the new.
    """
    supervisor, order = errand.supervisor, errand.order
    taken = await take_config(supervisor)
    supervisor.around.logs.reopen()
    # What the oxfile has no more is only touched by its name.
    named = select(supervisor.apps, order.names)
    chosen = [each for each in named if order.names or supervisor.config.app(each.spec.name)]
    rolls = _rolls(errand, taken, chosen)
    notes = [*about_others(taken.notes, chosen), *_about_stopped(chosen)]
    if order.if_changed and not rolls:
        notes.append("no changes")
    if not order.wait:
        if rolls:
            await supervisor.carry_out_later(replace(order, wait=True))
        return Report(done=tuple(map(step_of, chosen)), notes=tuple(notes))
    failures: list[Failure] = []
    async with trio.open_nursery() as nursery:
        for roll in rolls:
            nursery.start_soon(roll.go, failures)
    touched = [each for roll in rolls for each in roll.touched]
    notes += [note for roll in rolls for note in roll.notes]
    done = tuple(step_of(each) for each in supervisor.instances() if each in touched)
    return Report(done=done, failures=tuple(failures), notes=tuple(notes))


def _rolls(errand: Errand, taken: Taken, chosen: Sequence[Instance]) -> list[Roll]:
    """What is to be done for each app, where anything is."""
    supervisor, order = errand.supervisor, errand.order
    rolls = []
    for name in dict.fromkeys(each.spec.name for each in chosen):
        app = supervisor.apps[name]
        own = [each for each in chosen if each.spec.name == name]
        spec = supervisor.config.app(name) or app.spec
        unchanged = app.runs_as(spec) and name not in taken.renewed
        due = [
            each
            for each in own
            if _is_up(each) and not (order.if_changed and unchanged and not each.is_outdated)
        ]
        # Their number is that of the whole app: it is left alone where one of them is named.
        resizes = len(own) == len(app.instances) != spec.instances
        if due or resizes:
            rolls.append(Roll(errand, app, due, resizes=resizes))
    return rolls


def _is_up(instance: Instance) -> bool:
    return instance.wanted or instance.state in ALIVE


def _about_stopped(chosen: Sequence[Instance]) -> list[str]:
    names = dict.fromkeys(
        each.spec.name for each in chosen if each.state is State.STOPPED and not each.wanted
    )
    return [f"{name} is stopped: oxtrio start {name}" for name in names]

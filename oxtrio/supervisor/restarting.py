"""Restart and reload: the named apps take what the oxfile says now, and begin anew."""

from collections.abc import Mapping, Sequence

import trio

from oxtrio.model.order import Failure, Report
from oxtrio.model.state import ALIVE, State
from oxtrio.policy.order import dependents
from oxtrio.process.instance import Instance
from oxtrio.process.life import Life
from oxtrio.supervisor.orders import Errand, step_of, wait_lives
from oxtrio.supervisor.selection import select
from oxtrio.supervisor.taking import take_config, take_spec


async def restart(errand: Errand) -> Report:
    """Stop and start what is named, dependents down first and up last."""
    supervisor, order = errand.supervisor, errand.order
    notes = await take_config(supervisor)
    chosen = select(supervisor.apps, order.names)
    _take_specs(errand, chosen)
    chosen = select(supervisor.apps, order.names)  # their number may have changed
    lives = await _restart_in_order(errand, chosen)
    failures = await wait_lives(errand, lives) if order.wait else []
    done = tuple(step_of(each) for each in chosen)
    return Report(done=done, failures=tuple(failures), notes=_about_others(notes, chosen))


async def _restart_in_order(
    errand: Errand, chosen: Sequence[Instance]
) -> dict[Instance, Life]:
    """Begin a new life for each when all that depends on it is down."""
    supervisor = errand.supervisor
    by_app: dict[str, list[Instance]] = {}
    for instance in chosen:
        by_app.setdefault(instance.spec.name, []).append(instance)
    users = dependents(supervisor.graph())
    down = {name: trio.Event() for name in by_app}
    lives: dict[Instance, Life] = {}
    waiting = supervisor.dependencies.restarting
    waiting.update(by_app)

    async def begin(name: str, instances: list[Instance]) -> None:
        for user in users[name]:
            if user in down:
                await down[user].wait()
        for instance in instances:
            lives[instance] = instance.restart(errand.life("restarted"))
        waiting.discard(name)
        supervisor.apps[name].changed.unpark_all()
        if any(needed in by_app for needed, _ in instances[0].spec.depends_on):
            for instance in instances:
                await instance.wait(lambda each=instance: each.has_begun_anew)  # type: ignore[misc]
        down[name].set()

    try:
        async with trio.open_nursery() as nursery:
            for name, instances in by_app.items():
                nursery.start_soon(begin, name, instances)
    finally:
        waiting.difference_update(by_app)
    return {instance: lives[instance] for instance in chosen}


async def reload(errand: Errand) -> Report:
    """Replace what is named, one instance of an app after the other.

    In the manner "restart" there is never a second copy beside the old one. The first
    instance that does not get up ends the roll of its app: the others stay as they are.
    """
    supervisor, order = errand.supervisor, errand.order
    notes = await take_config(supervisor)
    chosen = select(supervisor.apps, order.names)
    changed = _take_specs(errand, chosen)
    chosen = select(supervisor.apps, order.names)
    rolls: dict[str, list[Instance]] = {}
    for instance in chosen:
        if _is_reloaded(instance, order.if_changed, changed):
            rolls.setdefault(instance.spec.name, []).append(instance)
    failures: list[Failure] = []
    async with trio.open_nursery() as nursery:
        for instances in rolls.values():
            nursery.start_soon(_roll, errand, instances, failures)
    done = tuple(step_of(each) for each in chosen)
    more = [*_about_others(notes, chosen), *_about_stopped(chosen)]
    if order.if_changed and not rolls:
        more.append("no changes")
    return Report(done=done, failures=tuple(failures), notes=tuple(more))


async def _roll(errand: Errand, instances: list[Instance], failures: list[Failure]) -> None:
    for instance in instances:
        life = instance.restart(errand.life("reloaded"))
        if errand.order.wait:
            failed = await wait_lives(errand, {instance: life})
            failures.extend(failed)
            if failed:
                return


def _is_reloaded(instance: Instance, if_changed: bool, changed: Mapping[str, bool]) -> bool:
    if if_changed and not changed[instance.spec.name] and not instance.is_outdated:
        return False
    return instance.wanted or instance.state in ALIVE


def _take_specs(errand: Errand, chosen: Sequence[Instance]) -> dict[str, bool]:
    """The named apps take their new spec; which of them have changed."""
    supervisor = errand.supervisor
    names = dict.fromkeys(instance.spec.name for instance in chosen)
    return {name: take_spec(supervisor.apps[name], supervisor) for name in names}


def _about_others(notes: Sequence[str], chosen: Sequence[Instance]) -> tuple[str, ...]:
    """The notes about apps that this order does not change itself."""
    own = {f"changed: oxtrio reload {instance.spec.name}" for instance in chosen}
    return tuple(note for note in notes if note not in own)


def _about_stopped(chosen: Sequence[Instance]) -> list[str]:
    names = dict.fromkeys(
        each.spec.name for each in chosen if each.state is State.STOPPED and not each.wanted
    )
    return [f"{name} is stopped: oxtrio start {name}" for name in names]

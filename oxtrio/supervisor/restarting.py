"""Restart: the named apps take what the oxfile says now, stop, and begin anew."""

from collections.abc import Sequence
from functools import partial

import trio

from oxtrio.model.order import Report
from oxtrio.policy.order import dependents
from oxtrio.process.instance import Instance
from oxtrio.process.life import Life
from oxtrio.supervisor.orders import Errand, step_of, wait_lives
from oxtrio.supervisor.selection import select
from oxtrio.supervisor.taking import take_config, take_spec


async def restart(errand: Errand) -> Report:
    """Stop and start what is named, dependents down first and up last."""
    supervisor, order = errand.supervisor, errand.order
    taken = await take_config(supervisor)
    chosen = select(supervisor.apps, order.names)
    _take_specs(errand, chosen)
    chosen = select(supervisor.apps, order.names)  # their number may have changed
    lives = await _Round(errand, chosen).begin()
    failures = await wait_lives(errand, lives) if order.wait else []
    done = tuple(step_of(each) for each in chosen)
    return Report(done=done, failures=tuple(failures), notes=about_others(taken.notes, chosen))


class _Round:
    """One restart of several apps: each begins anew when all that depends on it is down."""

    def __init__(self, errand: Errand, chosen: Sequence[Instance]) -> None:
        self._errand = errand
        self._apps: dict[str, list[Instance]] = {}
        for instance in chosen:
            self._apps.setdefault(instance.spec.name, []).append(instance)
        self._users = dependents(errand.supervisor.graph())
        self._down = {name: trio.Event() for name in self._apps}
        self._lives: dict[Instance, Life] = {}

    async def begin(self) -> dict[Instance, Life]:
        """Begin a new life for each; cancelling leaves the rest as it is."""
        pending = self._errand.supervisor.dependencies.restarting
        pending.update(self._apps)
        try:
            async with trio.open_nursery() as nursery:
                for name in self._apps:
                    nursery.start_soon(self._begin_app, name)
        finally:
            pending.difference_update(self._apps)
        return self._lives

    async def _begin_app(self, name: str) -> None:
        for user in self._users[name]:
            if user in self._down:
                await self._down[user].wait()
        supervisor = self._errand.supervisor
        for instance in self._apps[name]:
            self._lives[instance] = instance.restart(self._errand.life("restarted"))
        supervisor.dependencies.restarting.discard(name)
        supervisor.dependencies.changed.unpark_all()
        if self._has_needs(name):
            for instance in self._apps[name]:
                await instance.wait(partial(_has_begun_anew, instance))
        self._down[name].set()

    def _has_needs(self, name: str) -> bool:
        """Whether something that it depends on is restarted too, and so waits for it."""
        return any(need in self._apps for need, _ in self._apps[name][0].spec.depends_on)


def _has_begun_anew(instance: Instance) -> bool:
    return instance.has_begun_anew


def _take_specs(errand: Errand, chosen: Sequence[Instance]) -> frozenset[str]:
    """The named apps take their new spec; which of them have changed."""
    supervisor = errand.supervisor
    names = {instance.spec.name for instance in chosen}
    return frozenset(name for name in names if take_spec(supervisor.apps[name], supervisor))


def about_others(notes: Sequence[str], chosen: Sequence[Instance]) -> tuple[str, ...]:
    """The notes about apps that this order does not change itself."""
    own = {f"changed: oxtrio reload {instance.spec.name}" for instance in chosen}
    return tuple(note for note in notes if note not in own)

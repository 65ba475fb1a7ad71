"""One app: its instances, each in a scope of its own inside the app's nursery."""

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

import trio

from oxtrio.model.spec import AppSpec
from oxtrio.model.state import State
from oxtrio.process.instance import Instance
from oxtrio.process.living import Hold
from oxtrio.process.standing import Publish, Standing
from oxtrio.process.surroundings import Surroundings

Report = Callable[[str, BaseException], None]
"""Takes what failed, and the bug."""


class App:
    """All numbered copies of one entry of an oxfile."""

    def __init__(
        self, spec: AppSpec, around: Surroundings, publish: Publish, hold: Hold, report: Report
    ) -> None:
        self.spec = spec
        self.instances: list[Instance] = []
        self.vanished = False
        """It is no longer in the oxfile, but still runs."""
        self._around = around
        self._publish = publish
        self._hold_back = hold
        self._report = report
        self.rolling = trio.Lock()
        """Held by the reload or scaling that is under way; the next one waits for it."""
        self._arrivals = trio.lowlevel.ParkingLot()
        self._served: set[Instance] = set()
        self._leaving: list[Instance] = []
        """Retired, and perhaps not down yet."""
        self._resize(spec)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def wanted(self) -> bool:
        """Whether an operator wants any of it up."""
        return any(instance.wanted for instance in self.instances)

    @property
    def is_up(self) -> bool:
        """Whether a process of it lives."""
        return any(each.run is not None and each.run.alive for each in self.instances)

    @property
    def is_down(self) -> bool:
        return all(instance.is_down for instance in self.instances)

    def states(self) -> list[State]:
        return [instance.state for instance in self.instances]

    def runs_as(self, spec: AppSpec) -> bool:
        """Whether all of it is, or would be, what *spec* asks for; their number apart."""
        return all(each.same_runs(spec) for each in (self.spec, *self._specs()))

    def _specs(self) -> list[AppSpec]:
        return [instance.spec for instance in self.instances]

    def with_as_many(self, spec: AppSpec) -> AppSpec:
        """*spec* for as many instances as there are now."""
        return replace(spec, instances=self.spec.instances)

    def take(self, spec: AppSpec) -> list[Instance]:
        """Use *spec* from the next life of each instance on; those too many are returned.

        They are retired by the caller.
        """
        self.spec = spec
        surplus = self._resize(spec)  # first: those keep their spec, and with it their names
        for instance in self.instances:
            instance.spec = spec
        return surplus

    async def serve(self) -> NoReturn:
        """Run every instance, those that arrive later too. Cancelling stops them all."""
        async with trio.open_nursery() as nursery:
            while True:
                for instance in self.instances:
                    if instance not in self._served:
                        self._served.add(instance)
                        nursery.start_soon(self._serve, instance, name=instance.name)
                await self._arrivals.park()

    def _resize(self, spec: AppSpec) -> list[Instance]:
        surplus = self.instances[spec.instances :]
        del self.instances[spec.instances :]
        self._leaving += surplus
        for number in range(len(self.instances), spec.instances):
            instance = Instance(spec, number, self._around, self._publish, self._hold)
            instance.report = self._report
            self.instances.append(instance)
        self._arrivals.unpark_all()
        return surplus

    async def _hold(self, instance: Standing) -> None:
        """Never two with one number: who returns waits for the end of who leaves."""
        self._leaving = [each for each in self._leaving if not each.is_down]
        for each in self._leaving:
            if each.number == instance.number and each is not instance:
                await each.wait(lambda each=each: each.is_down)  # type: ignore[misc]
        await self._hold_back(instance)

    async def _serve(self, instance: Instance) -> None:
        """The boundary of one instance: a bug in it hurts no other."""
        while True:
            try:
                await instance.serve()
                self._served.discard(instance)
                return
            except Exception as bug:  # noqa: BLE001 - the boundary of one instance
                self._report(f"instance {instance.name} failed", bug)
            instance.revive()
            await trio.sleep(1)

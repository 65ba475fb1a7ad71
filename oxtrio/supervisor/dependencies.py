"""What an instance waits for before it starts."""

from collections.abc import Mapping

import trio

from oxtrio.model.spec import AppSpec, Condition
from oxtrio.model.state import State
from oxtrio.policy.order import Prospect, prospect
from oxtrio.process.instance import Instance
from oxtrio.process.life import Life, Outcome
from oxtrio.process.standing import Standing
from oxtrio.supervisor.app import App

Unmet = tuple[App, Condition, Prospect]


class Dependencies:
    """Knows how the dependencies of an instance stand. They gate starts only."""

    def __init__(self, apps: Mapping[str, App]) -> None:
        self._apps = apps
        self.restarting: set[str] = set()
        """Apps that are about to be restarted: what they are now does not count."""
        self.changed = trio.lowlevel.ParkingLot()
        """Unparked when any app changes."""

    async def hold(self, instance: Standing) -> None:
        """Return when all that *instance* depends on is there; until then it is `blocked`.

        A dependency that has failed does not end the waiting: it may be repaired. But whoever
        waits for the start is told. Cancelling ends the waiting.
        """
        while unmet := self._unmet(instance):
            # What is worth knowing first is what will not come by itself.
            app, condition, stands = min(unmet, key=lambda each: not _is_hopeless(each[0], each[2]))
            reason = describe_wait(app, condition, stands)
            instance.blocked(reason)
            if instance.life is not None and _is_hopeless(app, stands):
                self._give_no_hope(instance.life, reason, f"oxtrio why {app.name}")
            await self.changed.park()

    def _unmet(self, instance: Standing) -> list[Unmet]:
        """What *instance* waits for. What was removed from the oxfile is not waited for."""
        found: list[Unmet] = []
        for name, wanted in instance.spec.depends_on:
            app = self._apps.get(name)
            if app is not None:
                condition = wanted or default_condition(app.spec)
                stands = self._stands(app, condition)
                if stands is not Prospect.MET:
                    found.append((app, condition, stands))
        return found

    def _give_no_hope(self, life: Life, reason: str, hint: str) -> None:
        if not life.settled.is_set():
            life.settle(Outcome.FAILED, reason, hint)
            self.changed.unpark_all()  # those that wait for it wait in vain now, too

    def has_failed(self, instance: Instance) -> bool:
        """Whether *instance* waits for something that will not come by itself."""
        return any(stands is Prospect.FAILED for _, _, stands in self._unmet(instance))

    def _stands(self, app: App, condition: Condition) -> Prospect:
        if app.name in self.restarting:
            return Prospect.PENDING
        each = [_stands(condition, instance) for instance in app.instances]
        if Prospect.FAILED in each:
            return Prospect.FAILED
        return Prospect.PENDING if Prospect.PENDING in each else Prospect.MET


def _stands(condition: Condition, instance: Instance) -> Prospect:
    state = instance.state
    life = instance.life
    if life is None:
        # One that has been asked for, and has not begun, still shows the life before.
        down = prospect(condition, state, wanted=False)
        return down if instance.is_down else Prospect.PENDING
    if life.scope.cancel_called or not life.begun:
        # What is shown is still the life before.
        return Prospect.PENDING if instance.wanted else Prospect.FAILED
    if state is State.BLOCKED and life.outcome is Outcome.FAILED:
        return Prospect.FAILED
    return prospect(condition, state, instance.wanted)


def _is_hopeless(app: App, stands: Prospect) -> bool:
    """Whether nobody should wait for it."""
    return stands is Prospect.FAILED or _stumbled(app)


def _stumbled(app: App) -> bool:
    """Whether its first run has failed: it is tried again, but nobody should wait for that."""
    return any(
        instance.life is not None and instance.life.outcome is Outcome.FAILED
        for instance in app.instances
    )


def default_condition(spec: AppSpec) -> Condition:
    """`ready` where the app has a readiness test, else `started`."""
    return Condition.READY if spec.has_readiness_test else Condition.STARTED


def describe_wait(app: App, condition: Condition, stands: Prospect) -> str:
    """What is waited for, in words."""
    goal = {
        Condition.STARTED: "start",
        Condition.READY: "be ready",
        Condition.HEALTHY: "be healthy",
        Condition.COMPLETED: "complete",
        Condition.EXITED: "exit",
    }[condition]
    if stands is Prospect.PENDING and not _stumbled(app):
        return f"waits for {app.name} to {goal}"
    worst = next((each for each in app.instances if each.state is not State.RUNNING), None)
    how = f" ({worst.reason})" if worst is not None and worst.reason else ""
    state = worst.state if worst is not None else "gone"
    return f"waits for {app.name} to {goal}, but it is {state}{how}"

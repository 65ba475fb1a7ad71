"""One app is replaced, instance by instance: each by a newcomer beside it, or in its place."""

from collections.abc import Sequence
from functools import partial

import trio

from oxtrio.errors import SpawnFailed
from oxtrio.model.order import Failure, Step
from oxtrio.model.spec import AppSpec, ReloadManner
from oxtrio.model.state import State
from oxtrio.process.instance import Instance
from oxtrio.process.life import Life, Outcome
from oxtrio.process.preparation import Preparation
from oxtrio.supervisor.app import App
from oxtrio.supervisor.orders import (
    Errand,
    failure_of,
    failure_of_newcomer,
    step_of,
    wait_down,
    wait_lives,
)


class Roll:
    """The reload of one app."""

    def __init__(self, errand: Errand, app: App, due: Sequence[Instance], *, resizes: bool) -> None:
        self.notes: list[str] = []
        self.touched: list[Instance] = list(due)
        self._errand = errand
        self._app = app
        self._due = due
        self._resizes = resizes
        self._spec = app.spec

    async def go(self, failures: list[Failure]) -> None:
        """Do it; *failures* gets what went wrong. Never two of one app at a time."""
        app = self._app
        async with app.rolling:  # first come, first served
            # Only now: the reload that was waited for may have brought another one.
            self._spec = self._errand.supervisor.config.app(app.name) or app.spec
            for batch in _batches(self._due, self._spec.reload.parallel):
                failed = await self._renew_all(batch)
                if failed:
                    failures += failed
                    return
            failures += await resize(self._errand, app, self._new_spec(), self.touched)

    def _new_spec(self) -> AppSpec:
        """With as many instances as there are, where only some of them are reloaded."""
        return self._spec if self._resizes else self._app.with_as_many(self._spec)

    async def _renew_all(self, batch: Sequence[Instance]) -> list[Failure]:
        failures: list[Failure] = []
        async with trio.open_nursery() as nursery:
            for instance in batch:
                nursery.start_soon(self._renew, instance, failures)
        return failures

    async def _renew(self, instance: Instance, failures: list[Failure]) -> None:
        # One that is over a limit may be on its way out already.
        await instance.wait(lambda: instance.newcomer is None)
        if instance not in self._app.instances or not instance.wanted:
            return  # it was stopped, or is one too many, since this reload was asked for
        life = self._errand.life("reloaded")
        preparation = instance.prepare(life, self._app.with_as_many(self._spec))
        try:
            manner = self._manner(instance, preparation)
        except SpawnFailed as error:
            failures.append(failure_of(instance, error.message, error.hint))
            return
        match manner:
            case ReloadManner.OVERLAP:
                failures += await self._succeed(instance, life, preparation)
            case ReloadManner.SIGNAL:
                failures += self._signal(instance)
            case ReloadManner.RESTART:
                instance.spec = preparation.spec
                begun = {instance: instance.restart(life)}
                failures += await wait_lives(self._errand, begun)

    def _manner(self, instance: Instance, preparation: Preparation) -> ReloadManner:
        """How this one is replaced. Raises `SpawnFailed` for what can be told before."""
        succession, run = preparation.serving.succession, instance.live_run
        manner = succession.manner
        if not instance.can_be_succeeded():
            return ReloadManner.RESTART  # there is nobody whom a client would miss
        if manner is ReloadManner.SIGNAL:
            same = run is not None and run.spec.same_runs(preparation.spec)
            if same:
                return manner
            self._note("is restarted, as what it reads itself is not all that has changed")
            return ReloadManner.RESTART
        if manner is ReloadManner.OVERLAP and preparation.spec.reload.manner is None:
            # Two cannot have one address where only the one of them gets it from oxtrio.
            holds = instance.place is not None
            if bool(preparation.serving.listens) is not holds:
                manner = ReloadManner.RESTART
        if manner is ReloadManner.RESTART and succession.gap:
            instead = f"; write: {succession.instead}" if succession.instead else ""
            self._note(f"has a gap at every reload: {succession.gap}{instead}")
        return manner

    def _note(self, what: str) -> None:
        note = f"{self._app.name} {what}"
        if note not in self.notes:
            self.notes.append(note)

    def _signal(self, instance: Instance) -> list[Failure]:
        number, run = self._spec.reload.signal, instance.live_run
        if number is None or run is None or not run.signal(number):
            return [failure_of(instance, f"does not run: {instance.state}")]
        self._errand.tell(step_of(instance))
        return []

    async def _succeed(
        self, instance: Instance, life: Life, preparation: Preparation
    ) -> list[Failure]:
        """The newcomer is begun, proves itself, takes over; then the old one is gone."""
        tell = partial(self._tell, instance)
        life.preparation, life.tell = preparation, tell
        old, pid = instance.life, instance.pid
        instance.succeed(life)
        await life.settled.wait()
        if life.outcome is not Outcome.UP:
            await life.over.wait()
            self._errand.tell(step_of(instance))
            return [failure_of_newcomer(instance, life)]
        if old is not None:
            tell(f"draining pid {pid}", instance.pid)
            await old.over.wait()
            tell(f"stopped pid {pid}", instance.pid)
        self._errand.tell(step_of(instance))
        return []

    def _tell(self, instance: Instance, how_far: str, pid: int | None) -> None:
        step = Step(name=instance.name, state=State.RELOADING, reason=how_far, pid=pid)
        self._errand.tell(step)


async def resize(errand: Errand, app: App, spec: AppSpec, touched: list[Instance]) -> list[Failure]:
    """Let *app* be as *spec* says, with as many instances: more are started, fewer drained.

    What is new counts when it is ready; *touched* gets it, too. Cancelling ends the waiting.
    """
    wanted, before = app.wanted, {*app.instances}
    surplus = app.take(spec)
    for instance in surplus:
        instance.retire("there are fewer instances now")
    new = [each for each in app.instances if each not in before]
    touched += [*new, *surplus]
    failures: list[Failure] = []
    if wanted and new:
        lives = {each: each.start(errand.life("started")) for each in new}
        failures += await wait_lives(errand, lives)
    return failures + await wait_down(errand, surplus)


def _batches(instances: Sequence[Instance], size: int) -> list[Sequence[Instance]]:
    return [instances[at : at + size] for at in range(0, len(instances), size)]

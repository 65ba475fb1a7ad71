"""All apps of one project: the tree, and what control may ask of it."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import replace
from typing import Protocol

import trio

from oxtrio.errors import TimedOut
from oxtrio.model.log import LogQuery
from oxtrio.model.order import Order, Report, Step, SupervisorStatus, Why
from oxtrio.model.spec import AppSpec, Config
from oxtrio.model.state import NO_MOVE, Happening, State
from oxtrio.model.status import Event, InstanceStatus
from oxtrio.policy.order import dependents, find_cycle
from oxtrio.process.instance import Instance
from oxtrio.process.run import Run
from oxtrio.process.standing import Standing
from oxtrio.process.surroundings import Surroundings
from oxtrio.supervisor.app import App
from oxtrio.supervisor.app import Report as ReportBug
from oxtrio.supervisor.dependencies import Dependencies
from oxtrio.supervisor.following import Lines, following
from oxtrio.supervisor.journal import Broadcast, Journal
from oxtrio.supervisor.orders import Errand, carry_out
from oxtrio.supervisor.reasons import why_of
from oxtrio.supervisor.result import Result
from oxtrio.supervisor.scaling import Scaling
from oxtrio.supervisor.selection import select
from oxtrio.supervisor.snapshots import snapshot
from oxtrio.supervisor.unrecorded import without_record
from oxtrio.supervisor.upgrading import Successor
from oxtrio.supervisor.verbs import VERBS

MEASURING = 0.3
"""Seconds that `status` waits for fresh figures."""


class Reader(Protocol):
    """Reads the oxfile again; raises `ConfigError` where it cannot be used."""

    async def __call__(self, environ: Mapping[str, str]) -> Config: ...


class Supervisor:
    """The apps of one project. Only `open_supervisor` makes one."""

    def __init__(
        self,
        config: Config,
        around: Surroundings,
        journal: Journal,
        read_config: Reader,
        report: ReportBug,
    ) -> None:
        self.config = config
        self.around = around
        self.journal = journal
        self.read_config = read_config
        self.report = report
        self.apps: dict[str, App] = {}
        self.scaling = Scaling()
        self.scaling.read(config)
        self.dependencies = Dependencies(self.apps)
        self.environ: Mapping[str, str] = {}
        """What runs inherit: the environment of the call that started the supervisor."""
        self.identity: SupervisorStatus | None = None
        self.freshen: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        """Measures what runs use, now; the daemon knows who does that."""
        self.remember: Callable[[], None] = _forget
        """Something is different that the next supervisor should know."""
        self.remembered: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        """Returns when the next supervisor would know all that is so now."""
        self.memory_warnings: Callable[[], tuple[str, ...]] = tuple
        """Why it would not."""
        self.successor: Successor | None = None
        """The program that could take our place; None where we are part of another one."""
        self.notices: list[str] = []
        """What the next `start` tells the operator, once."""
        self.stopping = False
        self.shutdown_asked = trio.Event()
        self.shutdown_done = trio.Event()
        self.changed = trio.lowlevel.ParkingLot()
        self._errands, self._arriving = trio.open_memory_channel[tuple[Errand, Result]](0)
        self.changes: Broadcast[Standing] = Broadcast()
        self._runs: Broadcast[Run] = Broadcast()
        self._arrivals = trio.lowlevel.ParkingLot()
        self._scopes: dict[str, trio.CancelScope] = {}
        for spec in config.apps:
            self.admit(spec)

    # The tree.

    def admit(self, spec: AppSpec) -> App:
        """A new app; its nursery opens at once."""
        app = App(spec, self.around, self._published, self.dependencies.hold, self.report)
        self.apps[spec.name] = app
        self._arrivals.unpark_all()
        return app

    def dismiss(self, app: App) -> None:
        """Forget an app that is down."""
        if self.apps.get(app.name) is app:
            del self.apps[app.name]
            if scope := self._scopes.pop(app.name, None):
                scope.cancel()
            self.dependencies.changed.unpark_all()

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Run every app, those that arrive later too. Cancelling stops them all."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                for name, app in self.apps.items():
                    if name not in self._scopes:
                        self._scopes[name] = trio.CancelScope()
                        nursery.start_soon(self._serve, app, self._scopes[name], name=name)
                await self._arrivals.park()

    async def _serve(self, app: App, scope: trio.CancelScope) -> None:
        with scope:
            await app.serve()

    async def serve_orders(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Carry out every order in a task of its own. Cancelling gives all of them up."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            async for errand, result in self._arriving:
                nursery.start_soon(result.of, carry_out, VERBS, errand)

    @property
    def foreground(self) -> bool:
        """Whether it runs on a terminal or as PID 1, by `oxtrio run`."""
        return self.identity is not None and self.identity.foreground

    def instances(self) -> list[Instance]:
        """All of them, in the order of the oxfile."""
        return [instance for app in self.apps.values() for instance in app.instances]

    def graph(self) -> dict[str, list[str]]:
        """App → what it depends on, without cycles.

        The oxfile has none; but while some apps run with an older spec than others, all of them
        together may, and then two would wait for each other for ever.
        """
        graph = {name: [need for need, _ in app.spec.depends_on] for name, app in self.apps.items()}
        while cycle := find_cycle(graph):
            graph[cycle[0]].remove(cycle[1])
        return graph

    @contextmanager
    def runs(self) -> Iterator[trio.MemoryReceiveChannel[Run]]:
        """A feed of runs for a monitor: those that live, then each new one."""
        lives = [life for each in self.instances() for life in (each.life, each.newcomer)]
        live = tuple(life.run for life in lives if life is not None and life.run and life.run.alive)
        with self._runs.subscribe(first=live, backlog=math.inf) as feed:
            yield feed

    # What control asks (control/facade.py).

    async def carry_out(self, order: Order, tell: Callable[[Step], None]) -> Report:
        """Do what is asked, and wait for it as far as the order says."""
        result: Result = Result()
        await self._errands.send((Errand(self, order, tell), result))
        with trio.move_on_after(math.inf if order.timeout is None else order.timeout):
            return await result.wait()
        raise TimedOut(f"not done within {order.timeout:g} s", "it goes on; see: oxtrio status")

    async def carry_out_later(self, order: Order) -> None:
        """Have it done, with nobody waiting for it. Cancelling before it is taken drops it."""
        await self._errands.send((Errand(self, order, _tell_nobody), Result()))

    def status(self, names: Sequence[str]) -> tuple[InstanceStatus, ...]:
        """The rows of `status`."""
        return tuple(snapshot(each, self.config.files[0]) for each in self._selected(names))

    async def measured_status(self, names: Sequence[str]) -> tuple[InstanceStatus, ...]:
        """The same with CPU and memory measured now, as far as that takes no longer than 0.3 s."""
        self._selected(names)
        with trio.move_on_after(MEASURING):
            await self.freshen()
        return self.status(names)

    def supervisor_status(self) -> SupervisorStatus:
        """The supervisor itself."""
        assert self.identity is not None
        stale = (self.config.stale,) if self.config.stale else ()
        kept = (*self.memory_warnings(), *without_record(self.instances()))
        warnings = (*self.around.logs.warnings(), *kept, *stale)
        manner = self.around.containment.manner
        return replace(self.identity, stopping=self.stopping, warnings=warnings, containment=manner)

    async def why(self, name: str) -> Why:
        """Why the first instance that *name* means is in its state; the worst one first."""
        chosen = select(self.apps, [name])
        worst = min(chosen, key=lambda each: _BADNESS.get(each.state, 5))
        return await why_of(worst, self.apps)

    def events(self, *, since_seq: int | None = None, last: int | None = None) -> tuple[Event, ...]:
        return self.journal.history(since_seq=since_seq, last=last)

    def follow_events(self) -> AbstractContextManager[AsyncIterator[Event]]:
        return self.journal.broadcast.subscribe()

    def follow_logs(self, query: LogQuery) -> AbstractAsyncContextManager[Lines]:
        """The lines that match, then those to come if the query follows."""
        return following(self.around.logs, self.apps, query)

    def _selected(self, names: Sequence[str]) -> list[Instance]:
        return select(self.apps, names) if names else self.instances()

    # The end.

    def shutdown(self, kill: bool) -> None:
        """Stop everything and end. A second time with *kill*: SIGKILL to all, now."""
        self.stopping = True
        self.shutdown_asked.set()
        if kill:
            for instance in self.instances():
                instance.stop("killed by the operator")
                instance.kill()

    async def stop_all(self, *, in_order: bool = True) -> None:
        """Stop every app, dependents before what they depend on. Returns when all are down.

        What is stuck is not waited for. Cancelling leaves the rest to the end of the tree.
        """
        self.stopping = True
        names = dependents(self.graph() if in_order else dict.fromkeys(self.apps, ()))
        done = {name: trio.Event() for name in self.apps}
        async with trio.open_nursery() as nursery:
            for app in self.apps.values():
                nursery.start_soon(self._stop_after, app, names[app.name], done)
        self.shutdown_done.set()

    async def _stop_after(
        self, app: App, after: Sequence[str], done: Mapping[str, trio.Event]
    ) -> None:
        for name in after:
            await done[name].wait()
        for instance in app.instances:
            # For ever: an order that is still under way must not bring it up again.
            instance.retire("stopped with the project")
        for instance in app.instances:
            await instance.wait(lambda each=instance: each.is_down or each.state is State.STUCK)  # type: ignore[misc]
        done[app.name].set()

    def _published(self, instance: Standing, happening: Happening) -> None:
        state = instance.shown
        reason = instance.remark if happening in NO_MOVE else instance.reason
        self.journal.record(instance.name, happening, state, reason, instance.pid)
        begun = {Happening.SPAWNED: instance.life, Happening.NEWCOMER: instance.newcomer}
        life = begun.get(happening)
        if life is not None and life.run is not None:
            self._runs.publish(life.run)
        self.remember()
        self.changes.publish(instance)
        self.changed.unpark_all()
        self.dependencies.changed.unpark_all()


def _forget() -> None:
    """Where nothing is kept."""


def _tell_nobody(step: Step) -> None:
    """For orders that nobody waits for."""


_BADNESS = {
    State.CRASHED: 0,
    State.STUCK: 0,
    State.BACKOFF: 1,
    State.UNHEALTHY: 1,
    State.BLOCKED: 2,
    State.STARTING: 3,
    State.PAUSED: 3,
    State.STOPPING: 4,
}


@asynccontextmanager
async def open_supervisor(supervisor: Supervisor) -> AsyncIterator[Supervisor]:
    """The tree of apps. Leaving it, also by cancellation, stops every app that still runs."""
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.serve)
        await nursery.start(supervisor.serve_orders)
        yield supervisor
        nursery.cancel_scope.cancel()

"""Going on where a supervisor that died by force has left off: the same runs, the same wishes."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from oxtrio.errors import OxtrioError
from oxtrio.model.spec import AppSpec
from oxtrio.model.state import State
from oxtrio.policy.restart import Streak
from oxtrio.process.instance import Instance
from oxtrio.process.life import Life
from oxtrio.process.record import Record, records_in
from oxtrio.process.recovery import settle_marks
from oxtrio.supervisor.handover import Handover
from oxtrio.supervisor.leftovers import end_leftovers
from oxtrio.supervisor.memory import Memory
from oxtrio.supervisor.remembered import Remembered, RememberedInstance
from oxtrio.system.proc import boot_id

if TYPE_CHECKING:
    from oxtrio.supervisor.supervisor import Supervisor

DONE = frozenset({State.EXITED, State.CRASHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """What was left, and can be gone on with."""

    remembered: Remembered = field(default_factory=Remembered)
    runs: tuple[Record, ...] = ()
    """One for each instance at most."""

    notices: tuple[str, ...] = ()
    """What the operator should know."""

    @property
    def run_ids(self) -> frozenset[str]:
        return frozenset(record.run_id for record in self.runs)


def estate_of(
    remembered: Remembered | None, records: Sequence[Record], exits: Mapping[int, int]
) -> Estate:
    """Which of the recorded runs can be adopted.

    Those of this boot that were in front of an instance that is wanted, and of which the spec
    and the environment are known. One that has ended since is adopted where *exits*, what the
    keeper has seen, knows how: its last words are waiting. All others are to be ended.
    """
    if remembered is None or remembered.boot_id != boot_id():
        return Estate(remembered=Remembered())
    wanted = {(each.app, each.number) for each in remembered.instances if each.wanted}
    found: dict[tuple[str, int], Record] = {}
    for record in sorted(records, key=lambda record: record.spawned_after):
        known = remembered.spec(record.version) and (
            remembered.environ(record.environment) is not None
        )
        there = record.is_alive or record.is_main_alive or record.pid in exits
        where = (record.app, record.instance)
        if known and there and where in wanted and not record.newcomer:
            found[where] = record
    return Estate(remembered=remembered, runs=tuple(found.values()))


def estate_of_handover(handover: Handover) -> Estate:
    """Everything: nothing has happened meanwhile but what the reaper will be told."""
    return Estate(remembered=handover.remembered, runs=handover.runs)


async def settle_estate(
    runs: str | None,
    state: str | None,
    exits: Mapping[int, int],
    *,
    adopts: bool,
    say: Callable[[str], None],
) -> Estate:
    """What an earlier supervisor has left; what cannot be gone on with is ended first.

    *runs* and *state* are its folders, *exits* what the keeper has seen. Raises `OxtrioError`
    where something cannot be ended. Cancelling leaves the rest running, and recorded.
    """
    if runs is None:
        return Estate()
    records = [record for _, record in records_in(runs) if record is not None]
    remembered = Memory.load(state, say) if state is not None else None
    settle_marks(runs)
    # Without adoption, too, what was wanted is wanted still.
    estate = estate_of(remembered, records if adopts else [], exits)
    ended = await end_leftovers(runs, estate.run_ids)
    if ended.survivors:
        pids = ", ".join(map(str, ended.survivors))
        raise OxtrioError(f"processes of an earlier supervisor are still there: pid {pids}")
    if not ended.names:
        return estate
    names = ", ".join(ended.names)
    notice = f"ended what an earlier supervisor had left running: {names}"
    return replace(estate, notices=(notice,))


def take_over(supervisor: "Supervisor", estate: Estate) -> tuple[str, ...]:
    """Begin a life for all that was wanted; the names of the instances that were adopted.

    Synchronous, and before anything is served: nobody sees a state between.
    """
    remembered = estate.remembered
    environ = remembered.environ(remembered.environment)
    if environ is not None:
        supervisor.environ = environ
    _rescale(supervisor, remembered)
    _take_specs(supervisor, estate)
    runs = {(record.app, record.instance): record for record in estate.runs}
    adopted = []
    for each in remembered.instances:
        instance = _instance(supervisor, each)
        if instance is None or not each.wanted:
            continue
        instance.drained = each.drained
        instance.past = each.past
        record = runs.get((each.app, each.number))
        if record is not None:
            instance.adopt(_life(instance, each, remembered, record))
            adopted.append(instance.name)
        elif each.state in DONE:
            instance.recall(State(each.state), each.reason)
        else:
            instance.adopt(_life(instance, each, remembered, None))
    return tuple(adopted)


def _rescale(supervisor: "Supervisor", remembered: Remembered) -> None:
    for each in remembered.scaled:
        supervisor.scaling.recall(each.app, each.said, each.asked)
    supervisor.config = supervisor.scaling.read(supervisor.config)
    for spec in supervisor.config.apps:
        supervisor.apps[spec.name].take(spec)


def _take_specs(supervisor: "Supervisor", estate: Estate) -> None:
    """What runs was launched with goes on to hold for it, whatever the oxfile says now."""
    remembered, running = estate.remembered, {record.app for record in estate.runs}
    for name, version in remembered.apps:
        spec = remembered.spec(version)
        if spec is None or name not in running:
            continue
        app = supervisor.apps.get(name)
        if app is None:
            supervisor.admit(spec).vanished = True
        elif app.spec != spec:
            app.take(spec)


def _instance(supervisor: "Supervisor", each: RememberedInstance) -> Instance | None:
    app = supervisor.apps.get(each.app)
    instances = app.instances if app is not None else []
    return next((instance for instance in instances if instance.number == each.number), None)


def _life(
    instance: Instance, each: RememberedInstance, remembered: Remembered, record: Record | None
) -> Life:
    environ = remembered.environ(record.environment if record else each.environment)
    life = Life(cause="adopted" if record else "goes on after a crash", inherited=environ or {})
    life.streak = Streak(each.failures, each.ends)
    life.restarts = each.restarts
    life.adopted = record
    if record is not None:
        spec = remembered.spec(record.version)
        assert spec is not None, "it would not be in the estate"
        life.preparation = instance.prepare(life, _with_number(spec, instance))
    elif each.next_at is not None:
        life.cause, life.delay = each.reason, max(0.0, each.next_at - time.time())
    return life


def _with_number(spec: AppSpec, instance: Instance) -> AppSpec:
    return replace(spec, instances=instance.spec.instances)

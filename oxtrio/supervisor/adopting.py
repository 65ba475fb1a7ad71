"""Going on where a supervisor that died by force has left off: the same runs, the same wishes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from oxtrio.errors import OxtrioError
from oxtrio.model.spec import AppSpec, Config
from oxtrio.model.state import State
from oxtrio.policy.restart import Streak
from oxtrio.policy.versions import version_of
from oxtrio.process.instance import Instance
from oxtrio.process.life import Life
from oxtrio.process.record import Record, RecordFile, boot_seconds, records_in
from oxtrio.process.recovery import settle_marks
from oxtrio.supervisor.handover import Handover
from oxtrio.supervisor.leftovers import end_leftovers
from oxtrio.supervisor.remembered import Applied, Inherited, Remembered, RememberedInstance
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
    def exits(self) -> Mapping[int, int]:
        """How those ended of which only their record knows it yet: wait status by pid."""
        known = {record.pid: record.status for record in self.runs}
        return {pid: status for pid, status in known.items() if status is not None}

    @property
    def is_alive(self) -> bool:
        """Whether something of it runs."""
        return any(record.is_alive or record.is_main_alive for record in self.runs)

    @property
    def run_ids(self) -> frozenset[str]:
        return frozenset(record.run_id for record in self.runs)


def presumed(records: Sequence[Record], config: Config, environ: Mapping[str, str]) -> Remembered:
    """What was, where nothing is remembered: what runs was wanted, as the oxfile says it now."""
    specs = {version_of(spec): spec for spec in config.apps}
    running = [each for each in records if each.is_alive and each.version in specs]
    return Remembered(
        boot_id=boot_id(),
        apps=tuple((spec.name, version) for version, spec in specs.items()),
        specs=tuple(Applied(version=version, spec=spec) for version, spec in specs.items()),
        environments=tuple(
            replace(Inherited.of(environ), version=version)
            for version in {each.environment for each in running}
        ),
        instances=tuple(
            RememberedInstance(app=each.app, number=each.instance, wanted=True, state=State.RUNNING)
            for each in running
        ),
    )


def estate_of(remembered: Remembered | None, records: Sequence[Record]) -> Estate:
    """Which of the recorded runs can be adopted.

    Those of this boot that were in front of an instance that is wanted, and of which the spec
    and the environment are known. One that has ended since is among them, unless it is
    remembered already what became of it. All others are to be ended.
    """
    if remembered is None or remembered.boot_id != boot_id():
        return Estate(remembered=Remembered())
    wanted = {(each.app, each.number) for each in remembered.instances if each.wanted}
    settled = {each.past.run_id for each in remembered.instances if each.past is not None}
    found: dict[tuple[str, int], Record] = {}
    for record in sorted(records, key=lambda record: record.spawned_after):
        known = remembered.spec(record.version) and (
            remembered.environ(record.environment) is not None
        )
        there = record.is_alive or record.is_main_alive
        due = there or (record.has_run and record.run_id not in settled)
        where = (record.app, record.instance)
        if known and due and where in wanted and not record.newcomer:
            found[where] = record
    return Estate(remembered=remembered, runs=tuple(found.values()))


def estate_of_handover(handover: Handover) -> Estate:
    """Everything: nothing has happened meanwhile but what the reaper will be told."""
    return Estate(remembered=handover.remembered, runs=handover.runs)


def _with_exit(folder: str, record: Record, exits: Mapping[int, int]) -> Record:
    """What the keeper has seen of its end is recorded: soon it will forget that."""
    if record.is_alive or not record.has_run or record.pid not in exits:
        return record
    file = RecordFile.of(folder, record)
    file.update(status=exits[record.pid])
    return file.record


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """Where to look for what an earlier supervisor has left."""

    runs: str | None
    """The folder of its records; None: there is none."""
    socket: str
    """Where it was reached."""
    exits: Mapping[int, int]
    """How those ended that the keeper has seen."""


async def settle_estate(
    remains: Remains,
    remember: Callable[[Sequence[Record]], Remembered],
    *,
    adopts: bool,
    resumes: bool,
) -> Estate:
    """What an earlier supervisor has left; what cannot be gone on with is ended first.

    *remember* gives what there was beside its records. Unless it *resumes* for a supervisor that
    died a moment ago, only what still runs is gone on with. Raises `OxtrioError` where something
    cannot be ended. Cancelling leaves the rest running, and recorded.
    """
    runs = remains.runs
    if runs is None:
        return Estate()
    known = [record for _, record in records_in(runs) if record is not None]
    records = [_with_exit(runs, record, remains.exits) for record in known]
    settle_marks(runs)
    # Without adoption, too, what was wanted is wanted still.
    estate = estate_of(remember(records), records if adopts else [])
    if not (estate.is_alive or resumes):
        # Where nothing of it is left any more, whoever starts us says what is wanted.
        estate = Estate()
    ended = await end_leftovers(runs, estate.run_ids, remains.socket)
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
    for left in estate.runs:
        supervisor.around.sockets.reserve(left.held)
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
    counts = record.counts if record is not None else None
    life.restarts, failures, ends = counts or (each.restarts, each.failures, each.ends)
    life.streak = Streak(failures, ends)
    life.adopted = record
    if record is not None:
        spec = remembered.spec(record.version)
        assert spec is not None, "it would not be in the estate"
        life.launched = spec
        life.preparation = instance.prepare(life, _with_number(spec, instance))
    elif each.next_at is not None:
        life.cause, life.delay = each.reason, max(0.0, each.next_at - boot_seconds())
        life.restarts += not life.delay  # else it counts when it has waited
    elif each.state == State.BACKOFF:
        life.cause = each.reason  # it has waited, and that counts already
    return life


def _with_number(spec: AppSpec, instance: Instance) -> AppSpec:
    return replace(spec, instances=instance.spec.instances)

"""One run: one life of an OS process, from spawn to the end of all that it started."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from signal import Signals
from typing import Protocol

import trio

from oxtrio.errors import SpawnFailed
from oxtrio.logs.sink import Sink
from oxtrio.model.exit import Exit
from oxtrio.model.health import Answer, CommandResult
from oxtrio.model.spec import AppSpec, HealthSpec, LimitsSpec
from oxtrio.model.usage import Usage
from oxtrio.policy.restart import Ended
from oxtrio.process.command import run_command
from oxtrio.process.output import Output, Tail, open_output, reading, remove_marks
from oxtrio.process.preparation import Preparation
from oxtrio.process.record import Record, RecordFile
from oxtrio.process.stop import stop_kin, sweep_kin
from oxtrio.system.containment import Kin
from oxtrio.system.oom import oom_kills
from oxtrio.system.proc import boot_id


class Owner(Protocol):
    """What a run tells the instance that it belongs to."""

    @property
    def name(self) -> str: ...

    def ready(self, run: "Run") -> None: ...
    def unwell(self, run: "Run", why: str) -> None: ...
    def well(self, run: "Run") -> None: ...
    def stopping(self, run: "Run", why: str) -> None: ...
    def paused(self, run: "Run", paused: bool) -> None: ...


class Run:
    """What monitors see of it, and how it is ended. Only `open_run` makes one."""

    def __init__(
        self, owner: Owner, preparation: Preparation, kin: Kin, record: RecordFile, tail: Tail
    ) -> None:
        self.run_id = kin.run_id
        self.child = kin.leader
        self.kin = kin
        self.tail = tail
        self._record = record
        self.spawned_at = trio.current_time()
        self.ended = trio.Event()
        self.ready = False
        self.unhealthy = False
        self.last_answer: Answer | None = None
        self.last_usage: Usage | None = None
        self.fault = ""
        self._oom_kills = oom_kills()
        self.being_stopped = False
        self._owner = owner
        self._preparation = preparation
        self._around = preparation.surroundings
        self._cut_short = trio.CancelScope()
        self._patience: trio.CancelScope | None = None
        self._hurried = False
        self.child.on_pause = self._on_pause

    # What monitors see and say (monitors/target.py).

    @property
    def name(self) -> str:
        return self._owner.name

    @property
    def spec(self) -> AppSpec:
        """What it was started with."""
        return self._preparation.spec

    @property
    def app(self) -> str:
        return self._preparation.spec.name

    @property
    def health(self) -> HealthSpec | None:
        return self._preparation.health

    @property
    def limits(self) -> LimitsSpec:
        return self._preparation.spec.limits

    @property
    def paused(self) -> bool:
        return self.child.paused or self.being_stopped

    def pids(self) -> Sequence[int]:
        return [stat.pid for stat in self._around.containment.members(self.kin)]

    async def run_command(
        self, command: str | tuple[str, ...], patience: float, /
    ) -> CommandResult:
        return await run_command(self._preparation, command, patience)

    def answered(self, answer: Answer) -> None:
        self.last_answer = answer

    def became_ready(self) -> None:
        if self._active and not self.ready:
            self.ready = True
            self._owner.ready(self)

    def never_ready(self, why: str) -> None:
        self.fail(why)

    def unwell(self, why: str) -> None:
        if self._active:
            self.unhealthy = True
            self._owner.unwell(self, why)

    def well(self) -> None:
        if self._active:
            self.unhealthy = False
            self._owner.well(self)

    def usage(self, usage: Usage) -> None:
        self.last_usage = usage

    def over_limit(self, why: str) -> None:
        self.fail(why)

    # How it ends.

    def fail(self, why: str) -> None:
        """End this run, as one that has failed."""
        if self._active:
            self.fault = why
            self._cut_short.cancel()

    def kill(self) -> None:
        """SIGKILL to everything of it now, and no more patience in a stop that is under way."""
        self._hurried = True
        self._around.containment.kill(self.kin)
        if self._patience is not None:
            self._patience.cancel()

    def oom_struck(self) -> bool:
        """Whether it died by a SIGKILL while the kernel was out of memory."""
        exit = self.child.exit
        if exit is None or exit.signal != Signals.SIGKILL or exit.sent_by_us:
            return False
        before, now = self._oom_kills, oom_kills()
        return before is not None and now is not None and now > before

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it is left."""
        return self._around.containment.is_empty(self.kin)

    @property
    def survivors(self) -> str:
        """What is still there after SIGKILL, in words."""
        pids = ", ".join(map(str, self.pids()))
        return f"still there after SIGKILL: pid {pids}"

    def left_behind(self) -> int:
        """How many processes of it are still there."""
        return len(self._around.containment.members(self.kin))

    async def wait_empty(self) -> None:
        """Return when nothing of it is left. Cancelling ends nothing."""
        await self._around.containment.wait_empty(self.kin)

    def let_go(self) -> None:
        """Nothing of it is left: its pid means nothing any more."""
        self._around.containment.dismiss(self.kin)
        self.child.close()
        self._record.remove()

    async def wait_end(self) -> Ended:
        """How it ended, by itself or because of a fault. Cancelling leaves it running."""
        with self._cut_short:
            await self.child.gone.wait()
        if self.child.alive:
            await self.stop(self.fault)
        self.ended.set()
        return self.as_ended()

    def as_ended(self) -> Ended:
        """How it ended, now that it has."""
        exit = self.child.exit or Exit()
        return Ended(exit=exit, lasted=trio.current_time() - self.spawned_at, fault=self.fault)

    async def stop(self, why: str = "") -> None:
        """End everything of it: the ladder of SPEC §7. Shielded, bounded by its patience."""
        if self.is_empty:
            return
        self.being_stopped = True
        self._owner.stopping(self, why)
        # Shielded: a cancelled supervisor still owes its children a proper end.
        with trio.CancelScope(shield=True) as self._patience:
            if self._hurried:
                self._patience.cancel()
            await stop_kin(self._around.containment, self.kin, self._preparation.spec.stop)
        self._patience = None
        await sweep_kin(self._around.containment, self.kin, 0.0, None)

    async def sweep(self) -> None:
        """End what its leader left behind, before the next run takes its place."""
        spec = self._preparation.spec.stop
        patience = min(spec.timeout, 1.0)
        await sweep_kin(self._around.containment, self.kin, patience, spec.signal)

    @property
    def _active(self) -> bool:
        return self.child.alive and not self.being_stopped

    def _on_pause(self, paused: bool) -> None:
        if self._active:
            self._owner.paused(self, paused)


@asynccontextmanager
async def open_run(
    owner: Owner, preparation: Preparation, sinks: Sequence[Sink]
) -> AsyncIterator[Run]:
    """Spawn a run, read its output inside, and end it on leaving. Raises `SpawnFailed`.

    Leaving, also by cancellation, stops the run: it never returns while something of the run
    lives, but for what survives SIGKILL (`run.is_empty` tells).
    """
    run, outputs = _begin(owner, preparation, sinks)
    around = preparation.surroundings
    try:
        async with reading(outputs):
            try:
                yield run
            finally:
                await run.stop()  # noqa: ASYNC102 - shields and bounds itself
                run.ended.set()
    finally:
        for output in outputs:
            output.close()
        remove_marks(around.runs, run.run_id)
        if run.is_empty:
            run.let_go()


def _begin(
    owner: Owner, preparation: Preparation, sinks: Sequence[Sink]
) -> tuple[Run, list[Output]]:
    # No await in here: the child is registered, attributed and read before anything else runs.
    around = preparation.surroundings
    if not around.children.limit.room_for_runs():
        raise SpawnFailed("too many open files", "raise the limit of the supervisor: ulimit -n")
    run_id = secrets.token_hex(8)
    tail = Tail()
    outputs = _outputs(preparation, run_id, sinks, tail)
    record = RecordFile(around.runs, _record_of(owner, preparation, run_id))
    try:
        launch = preparation.launch(run_id, *(output.pipe.writing for output in outputs))
        if launch.identity is not None:
            for output in outputs:
                output.pipe.allow(launch.identity.uid)
        child = around.children.spawn(launch)
    except BaseException:
        for output in outputs:
            output.close()
        remove_marks(around.runs, run_id)
        record.remove()
        raise
    record.spawned(child.pid, child.started)
    for output in outputs:
        output.pipe.spawned()
    kin = around.containment.admit(run_id, child)
    return Run(owner, preparation, kin, record, tail), outputs


def _record_of(owner: Owner, preparation: Preparation, run_id: str) -> Record:
    stop = preparation.spec.stop
    return Record(
        run_id=run_id,
        name=owner.name,
        boot_id=boot_id(),
        stop_signal=stop.signal,
        stop_timeout=stop.timeout,
    )


def _outputs(
    preparation: Preparation, run_id: str, sinks: Sequence[Sink], tail: Tail
) -> list[Output]:
    around = preparation.surroundings
    # A full or vanished runtime folder must not keep an app down: then its pipes have no name.
    with suppress(OSError):
        return open_output(around, around.runs, run_id, sinks, tail)
    try:
        return open_output(around, None, run_id, sinks, tail)
    except OSError as error:
        raise SpawnFailed(f"cannot make the pipes of a run: {error.strerror}") from error

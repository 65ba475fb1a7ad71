"""One run: one life of an OS process, from spawn to the end of all that it started."""

from collections.abc import Iterable, Sequence
from signal import Signals
from typing import Protocol

import trio

from oxtrio.model.exit import Exit
from oxtrio.model.health import Answer, CommandResult
from oxtrio.model.readiness import Test
from oxtrio.model.spec import AppSpec, HealthSpec, LimitsSpec
from oxtrio.model.usage import Usage
from oxtrio.policy.restart import Ended
from oxtrio.process.command import run_command
from oxtrio.process.main_process import MainProcess
from oxtrio.process.output import Output, Tail
from oxtrio.process.preparation import Preparation
from oxtrio.process.reach import Reach
from oxtrio.process.record import RecordFile
from oxtrio.process.sockets import Place
from oxtrio.process.stop import stop_kin, sweep_kin
from oxtrio.process.voice import Voice
from oxtrio.system.clock import real_time
from oxtrio.system.containment import Kin, send
from oxtrio.system.oom import oom_kills
from oxtrio.system.probes import Connect


class Owner(Protocol):
    """What a run tells the instance that it belongs to."""

    @property
    def name(self) -> str: ...
    @property
    def counts(self) -> tuple[int, int, int]: ...

    def answered(self, run: "Run") -> None: ...
    def ready(self, run: "Run") -> None: ...
    def unwell(self, run: "Run", why: str) -> None: ...
    def well(self, run: "Run") -> None: ...
    def over_limit(self, run: "Run", why: str) -> None: ...
    def stopping(self, run: "Run", why: str) -> None: ...
    def killing(self, run: "Run", *, hurried: bool) -> None: ...
    def paused(self, run: "Run", paused: bool) -> None: ...


class Run:
    """What monitors see of it, and how it is ended. Only `opening.open_run` makes one."""

    def __init__(
        self, owner: Owner, preparation: Preparation, kin: Kin, record: RecordFile, tail: Tail
    ) -> None:
        self.place: Place | None = None
        """Where it listens on held addresses."""
        self.outputs: Sequence[Output] = ()
        """Its two streams, stdout first."""
        self.voice: Voice | None = None
        """Hears what it says of itself; None where it is asked for nothing."""
        self.proven = trio.Event()
        """It has passed every readiness test."""
        self.passes = 0
        """Health checks that it has passed in a row, up to now."""
        self.said = ""
        """What it says of itself."""
        self.run_id = kin.run_id
        self.child = kin.leader
        self._around = around = preparation.surroundings
        self.main = MainProcess(kin, around.containment, around.children)
        self.kin = kin
        self.tail = tail
        self.record = record
        """What its next owner must know."""
        self.spawned_at = trio.current_time()
        self.began = real_time()  # which does not stand still with us
        self.ended = trio.Event()
        self.ready = self.unhealthy = False
        self.pending: set[Test] = set()
        self.last_answer: Answer | None = None
        self.last_usage: Usage | None = None
        self.fault = ""
        self._oom_kills = oom_kills()
        self.being_stopped = False
        self._owner = owner
        self._preparation = preparation
        self._cut_short = trio.CancelScope()
        self._patience: trio.CancelScope | None = None
        self._hurried = False
        self.child.on_pause = self._on_pause
        self.child.on_end = self.record.ended

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

    @property
    def main_pid(self) -> int:
        """Of the main process: the leader, or the one that it named."""
        return self.main.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.main.alive

    def pids(self) -> Sequence[int]:
        return [stat.pid for stat in self._around.containment.members(self.kin)]

    async def run_command(
        self, command: str | tuple[str, ...], patience: float, /
    ) -> CommandResult:
        return await run_command(self._preparation, command, patience)

    @property
    def connect(self) -> Connect:
        """Reaches the run itself where its address is held, else whoever is there."""
        return Reach(self.place, self.pids)

    def answered(self, answer: Answer) -> None:
        self.last_answer = answer
        self.passes = self.passes + 1 if answer.ok else 0
        self._owner.answered(self)

    def became_ready(self) -> None:
        self.passed(Test.HEALTH)

    def must_pass(self, tests: Iterable[Test]) -> None:
        """What makes it ready; said once, before anything can pass."""
        if not self.ready:
            self.pending.update(tests)

    def was_ready(self) -> None:
        """An earlier supervisor has seen it pass."""
        self.ready = True
        self.pending.clear()
        self.proven.set()

    def passed(self, test: Test) -> None:
        """One readiness test has passed; with the last one it is ready."""
        self.pending.discard(test)
        if self._active and not self.ready and not self.pending:
            self.ready = True
            self.proven.set()
            self.record.update(ready=True)
            self._owner.ready(self)

    def never_ready(self, why: str) -> None:
        self.fail(why)

    def unwell(self, why: str) -> None:
        if not self.ready:
            self.fail(why)  # other tests are still awaited
        elif self._active:
            self.unhealthy = True
            self.record.update(unhealthy=True)
            self._owner.unwell(self, why)

    def well(self) -> None:
        if self._active:
            self.unhealthy = False
            self.record.update(unhealthy=False)
            self._owner.well(self)

    def usage(self, usage: Usage) -> None:
        self.last_usage = usage

    def over_limit(self, why: str) -> None:
        if self._active:
            self._owner.over_limit(self, why)

    # How it ends.

    def fail(self, why: str) -> None:
        """End this run, as one that has failed."""
        if self._active:
            self.fault = why
            self._cut_short.cancel()

    def signal(self, number: int) -> bool:
        """Send a signal to the main process alone; False when it is gone."""
        return self.main.signal(number)

    def pause(self, paused: bool) -> None:
        """SIGSTOP to all of it, or SIGCONT."""
        for stat in self._around.containment.members(self.kin):
            send(stat, Signals.SIGSTOP if paused else Signals.SIGCONT)

    def kill(self) -> None:
        """SIGKILL to everything of it now, and no more patience in a stop that is under way."""
        self._hurried = True
        self._around.containment.kill(self.kin)
        if self._patience is not None:
            self._patience.cancel()

    def oom_struck(self) -> bool:
        """Whether it died by a SIGKILL while the kernel was out of memory."""
        exit = self.main.exit
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
        self.main.close()
        if self.fault or not self.being_stopped:  # what follows from that must not be forgotten
            self._around.finished.add(self.record)
        else:
            self.record.remove()

    async def wait_end(self) -> Ended:
        """How it ended, by itself or because of a fault. Cancelling leaves it running."""
        with self._cut_short:
            await self.main.wait_gone()
        if self.alive:
            await self.stop(self.fault)
        self.record.update(status=self.main.status)
        self.ended.set()
        return self.as_ended()

    def as_ended(self) -> Ended:
        """How it ended, now that it has."""
        exit = self.main.exit or Exit()
        return Ended(exit=exit, lasted=real_time() - self.began, fault=self.fault)

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
            if self.place is not None and self.alive:
                await self.place.wait_drained()
            await stop_kin(self._around.containment, self.kin, self._preparation.spec.stop)
        self._patience = None
        if not self.is_empty:
            self._owner.killing(self, hurried=self._hurried)
        await sweep_kin(self._around.containment, self.kin, 0.0, None)

    async def sweep(self) -> None:
        """End what its leader left behind, before the next run takes its place."""
        spec = self._preparation.spec.stop
        patience = min(spec.timeout, 1.0)
        await sweep_kin(self._around.containment, self.kin, patience, spec.signal)

    @property
    def _active(self) -> bool:
        return self.alive and not self.being_stopped

    def _on_pause(self, paused: bool) -> None:
        if self._active:
            self._owner.paused(self, paused)

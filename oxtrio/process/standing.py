"""How an instance stands: everything that `status` and `why` show of it."""

import time
from collections.abc import Callable

import trio

from oxtrio.model.spec import AppSpec, OnUnhealthy
from oxtrio.model.state import NO_MOVE, UP, Happening, State, shown, transition
from oxtrio.policy.restart import Ended
from oxtrio.policy.rotation import Turn, turn_of
from oxtrio.policy.serving import Serving
from oxtrio.process.life import Life, Outcome
from oxtrio.process.past import PastRun, past_of
from oxtrio.process.record import boot_seconds
from oxtrio.process.run import Run
from oxtrio.process.sockets import Place

Publish = Callable[["Standing", Happening], None]


class Standing:
    """One numbered copy of an app, as others see it. `process/instance.py` makes it live."""

    def __init__(self, spec: AppSpec, number: int, publish: Publish) -> None:
        self.spec = spec
        self.number = number
        self.wanted = False
        """Whether an operator wants it up."""
        self.state = State.STOPPED
        self.reason = ""
        self.remark = ""
        """What was said of it last that did not change its state."""
        self.since = time.time()
        self.life: Life | None = None
        """The one in front: what is shown of it."""
        self.newcomer: Life | None = None
        """The one that shall take its place, on trial."""
        self.place: Place | None = None
        """Where it listens, while it is wanted and its addresses are held."""
        self.serving: Serving | None = None
        """How its last run was reached; None before the first."""
        self.drained = False
        """An operator took it out of the rotation."""
        self.past: PastRun | None = None
        """The last run that ended."""
        self.rejected: PastRun | None = None
        """The newcomer that did not take over, since the life in front began."""
        self.started_at: float | None = None
        self.next_at: float | None = None
        """`boot_seconds` of the next attempt: no clock that is set makes it another one."""
        self.restarts = 0
        self.failures = 0
        """Consecutive ones, of the last life that had any."""
        self.changed = trio.lowlevel.ParkingLot()
        self._publish = publish
        self._remembered: Run | None = None
        """The run that `past` is about."""

    @property
    def name(self) -> str:
        """`api`, or `api:0` where the app has several instances."""
        return f"{self.spec.name}:{self.number}" if self.spec.instances > 1 else self.spec.name

    @property
    def counts(self) -> tuple[int, int, int]:
        """Its restarts, and its failures and ends in a row."""
        ends = self.life.streak.ends if self.life is not None else 0
        return self.restarts, self.failures, ends

    @property
    def next_in(self) -> float | None:
        """Seconds until the next attempt; None where none is planned."""
        return max(0.0, self.next_at - boot_seconds()) if self.next_at is not None else None

    @property
    def run(self) -> Run | None:
        """The run of the life in front."""
        return None if self.life is None else self.life.run

    @property
    def shown(self) -> State:
        """Its state as an operator is told it."""
        return shown(self.state, replaced=self.newcomer is not None, drained=self.drained)

    @property
    def is_outdated(self) -> bool:
        """What runs was started with another spec than the one it has now."""
        return self.run is not None and not self.run.spec.same_runs(self.spec)

    @property
    def live_run(self) -> Run | None:
        """The run that lives, as the state has it.

        A process that ended a moment ago still belongs to a state in which it runs: the two
        are only ever shown together.
        """
        run = self.run
        return run if run is not None and (run.alive or self.state in UP) else None

    @property
    def pid(self) -> int | None:
        """The main process."""
        return self.live_run.main_pid if self.live_run is not None else None

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Return when *condition* holds after a change of this instance. Cancelling is harmless."""
        while not condition():
            await self.changed.park()

    # What a run tells (process/run.py, Owner). Only the one in front changes anything here.

    def answered(self, run: Run) -> None:
        newcomer, health = self.newcomer, run.spec.health
        if newcomer is not None and run is newcomer.run and health is not None and not run.ready:
            answer = run.last_answer
            detail = "" if answer is None or answer.ok else f" ({answer})"
            how_far = f"waiting for health {run.passes}/{health.healthy_threshold}{detail}"
            newcomer.tell(how_far, run.main_pid)

    def ready(self, run: Run) -> None:
        if run is self.run and self.state is State.STARTING:
            self.happened(Happening.READY, "")
            self._settle_up()

    def _settle_up(self) -> None:
        if self.life is not None and not self.spec.one_shot:
            self.life.settle(Outcome.UP)

    def unwell(self, run: Run, why: str) -> None:
        if run is not self.run or self.state is not State.RUNNING:
            return
        self.happened(Happening.UNWELL, why)
        if run.spec.health is not None and run.spec.health.on_unhealthy is OnUnhealthy.RESTART:
            run.fail(why)

    def well(self, run: Run) -> None:
        if run is self.run and self.state is State.UNHEALTHY:
            self.happened(Happening.WELL, "")

    def over_limit(self, run: Run, why: str) -> None:
        run.fail(why)

    def stopping(self, run: Run, why: str) -> None:
        if run is self.run:
            self.happened(Happening.ASKED_TO_STOP, why or self.reason)

    def killing(self, run: Run, *, hurried: bool) -> None:
        if run is self.run:
            late = f"not gone within {run.spec.stop.timeout:g} s"
            self.happened(Happening.KILLED, f"SIGKILL, {'as asked' if hurried else late}")

    def paused(self, run: Run, paused: bool) -> None:
        if run is not self.run:
            return
        if paused and self.state in UP - {State.PAUSED}:
            self.happened(Happening.PAUSED, "stopped by SIGSTOP")
        elif not paused and self.state is State.PAUSED:
            happening = Happening.CONTINUED if run.ready else Happening.CONTINUED_STARTING
            self.happened(happening, "")
            if run.ready:
                self._settle_up()  # its start time may have passed meanwhile

    def blocked(self, why: str) -> None:
        """It waits for a dependency."""
        if self.state is not State.BLOCKED:
            self.happened(Happening.HELD, why)
        elif why != self.reason:
            self.reason = why
            self._publish(self, Happening.HELD)  # whoever waits for it may have no hope now
            self.changed.unpark_all()

    # What becomes of it.

    def happened(self, happening: Happening, reason: str) -> None:
        """The one way in which its state changes, and is told."""
        if happening in NO_MOVE:
            self.remark = reason
        else:
            self.state = transition(self.state, happening)
            self.reason = reason
            self.since = time.time()
            if self.state is not State.BACKOFF:
                self.next_at = None
            if self.life is not None:
                self.life.begun = True
            self.take_turn()
        self._publish(self, happening)
        self.changed.unpark_all()

    def take_turn(self) -> None:
        """Get new connections, or not, as what it is now deserves."""
        if self.place is None:
            return
        turn = turn_of(self.state, wanted=self.wanted, drained=self.drained)
        self.place.move(turn)
        if turn is Turn.LEAVING:
            self.place = None

    def move_to(self, place: Place | None) -> None:
        """Listen there from now on, and leave where it listened before."""
        # Its turn is that with which it was claimed: the state is still that of the life before.
        before, self.place = self.place, place
        if before is not None and before is not place:
            before.move(Turn.LEAVING)

    def take_over(self, life: Life, place: Place | None) -> None:
        """The newcomer's *life* is in front from this instant; the old one is told to end."""
        old, left = self.life, self.place
        if life.spec is not None:
            self.spec = life.spec
        self.life, self.newcomer, self.place = life, None, place
        life.beside = False
        self.rejected = None
        self.serving = life.preparation.serving if life.preparation else None
        self.started_at = time.time()
        self.failures = life.streak.failures
        self.restarts += bool(life.because)
        if life.run is not None:
            life.run.record.update(newcomer=False, counts=self.counts)
        self.happened(Happening.REPLACED, life.because)
        if left is not None:
            left.move(Turn.LEAVING)
        if old is not None:
            old.scope.cancel()

    def show_down(self) -> None:
        """Its life was cut short: what is not up is shown as down."""
        if self.state in UP:
            # It ended by itself in the moment in which it was told to.
            self.happened(Happening.ASKED_TO_STOP, self.reason)
        if self.state is not State.STOPPED:
            self.happened(Happening.GONE, self.reason)

    def remember(self, ended: Ended, run: Run | None) -> None:
        """The run has ended: keep what explains why. Once for each run."""
        if run is not None and run is self._remembered:
            return
        self._remembered = run
        self.started_at = None
        self.past = past_of(ended, run)

"""How an instance stands: everything that `status` and `why` show of it."""

import time
from collections.abc import Callable

import trio

from oxtrio.model.spec import AppSpec, OnUnhealthy
from oxtrio.model.state import UP, Happening, State, transition
from oxtrio.policy.restart import Ended, describe
from oxtrio.process.life import Life, Outcome
from oxtrio.process.past import PastRun
from oxtrio.process.run import Run

LAST_LINES = 20
"""Lines of output that are remembered of a run that has ended."""

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
        self.since = time.time()
        self.life: Life | None = None
        self.run: Run | None = None
        self.past: PastRun | None = None
        """The last run that ended."""
        self.started_at: float | None = None
        self.next_at: float | None = None
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
    def is_outdated(self) -> bool:
        """What runs was started with another spec than the one it has now."""
        return self.run is not None and self.run.spec != self.spec

    @property
    def live_run(self) -> Run | None:
        """The run that lives, as the state has it.

        A process that ended a moment ago still belongs to a state in which it runs: the two
        are only ever shown together.
        """
        run = self.run
        return run if run is not None and (run.child.alive or self.state in UP) else None

    @property
    def pid(self) -> int | None:
        """The main process."""
        return self.live_run.child.pid if self.live_run is not None else None

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Return when *condition* holds after a change of this instance. Cancelling is harmless."""
        while not condition():
            await self.changed.park()

    # What a run tells (process/run.py, Owner).

    def ready(self, run: Run) -> None:
        if self.state is State.STARTING:
            self._happened(Happening.READY, "")
            self._settle_up()

    def _settle_up(self) -> None:
        if self.life is not None and not self.spec.one_shot:
            self.life.settle(Outcome.UP)

    def unwell(self, run: Run, why: str) -> None:
        if self.state is State.RUNNING:
            self._happened(Happening.UNWELL, why)
            if self.spec.health is not None and (
                self.spec.health.on_unhealthy is OnUnhealthy.RESTART
            ):
                run.fail(why)

    def well(self, run: Run) -> None:
        if self.state is State.UNHEALTHY:
            self._happened(Happening.WELL, "")

    def stopping(self, run: Run, why: str) -> None:
        self._happened(Happening.ASKED_TO_STOP, why or self.reason)

    def paused(self, run: Run, paused: bool) -> None:
        if paused and self.state in UP - {State.PAUSED}:
            self._happened(Happening.PAUSED, "stopped by SIGSTOP")
        elif not paused and self.state is State.PAUSED:
            happening = Happening.CONTINUED if run.ready else Happening.CONTINUED_STARTING
            self._happened(happening, "")
            if run.ready:
                self._settle_up()  # its start time may have passed meanwhile

    def blocked(self, why: str) -> None:
        """It waits for a dependency."""
        if self.state is not State.BLOCKED:
            self._happened(Happening.HELD, why)
        elif why != self.reason:
            self.reason = why
            self._publish(self, Happening.HELD)  # whoever waits for it may have no hope now
            self.changed.unpark_all()

    def _happened(self, happening: Happening, reason: str) -> None:
        self.state = transition(self.state, happening)
        self.reason = reason
        self.since = time.time()
        if self.life is not None:
            self.life.begun = True
        self._publish(self, happening)
        self.changed.unpark_all()

    def _show_down(self) -> None:
        """Its life was cut short: what is not up is shown as down."""
        if self.state in UP:
            # It ended by itself in the moment in which it was told to.
            self._happened(Happening.ASKED_TO_STOP, self.reason)
        if self.state is not State.STOPPED:
            self._happened(Happening.GONE, self.reason)

    def _remember(self, ended: Ended, run: Run | None) -> None:
        """The run has ended: keep what explains why. Once for each run."""
        if run is not None and run is self._remembered:
            return
        self._remembered = run
        self.started_at = None
        self.past = PastRun(
            exit=ended.exit,
            at=time.time(),
            why=describe(ended),
            lasted=ended.lasted,
            fault=ended.fault,
            last_lines=run.tail.lines(LAST_LINES) if run else (),
            last_answer=run.last_answer if run else None,
            memory=run.last_usage.memory if run and run.last_usage else None,
            oom=bool(run and run.oom_struck()),
        )

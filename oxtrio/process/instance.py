"""One numbered copy of an app: the life of it, read top to bottom."""

import random
import time
from collections.abc import Awaitable, Callable
from typing import assert_never

import trio

from oxtrio.errors import SpawnFailed
from oxtrio.model.exit import Exit
from oxtrio.model.spec import AppSpec
from oxtrio.model.state import ALIVE, Happening, State
from oxtrio.policy.restart import Ended, GiveUp, Leave, Retry, Streak, after_run, describe
from oxtrio.process.life import Life, Outcome
from oxtrio.process.preparation import Preparation
from oxtrio.process.run import Run, open_run
from oxtrio.process.sinks import Sinks
from oxtrio.process.standing import Publish, Standing
from oxtrio.process.surroundings import Surroundings

ONE_SHOT_GRACE = 1.0
"""Seconds that a waiting start gives a one-shot to end; after that it counts as up."""

Hold = Callable[["Instance"], Awaitable[None]]
"""Returns when the dependencies of an instance are met."""


class Instance(Standing):
    """Runs its process, again and again, until it is stopped, ends as meant, or is given up.

    Steering it is synchronous: `start`, `stop` and `restart` change what is wanted and cancel
    the life that no longer is; the coroutine `serve` does the rest.
    """

    def __init__(
        self, spec: AppSpec, number: int, around: Surroundings, publish: Publish, hold: Hold
    ) -> None:
        super().__init__(spec, number, publish)
        self._next: Life | None = None
        self._woken = trio.lowlevel.ParkingLot()
        self._around = around
        self._hold = hold
        self._retired = False
        self._fallen: Life | None = None
        """A life that a bug has ended."""
        self._pause: trio.CancelScope | None = None
        """Around the waiting for the next attempt."""
        self._sinks = Sinks(around.logs, number)

    # Steering: what an operator wants. Nothing here waits.

    def start(self, life: Life) -> Life:
        """Want it up. What is up, or on its way, is left alone; its life is returned."""
        self.wanted = True
        if self._next is not None:
            return self._next
        current = self.life
        if current is None or current.scope.cancel_called:
            return self._begin(life)
        # What has only just begun shows the state of the life before it. What is blocked and has
        # given its outcome waited in vain: the dependency may come this time.
        waits = self.state is State.BLOCKED and not current.settled.is_set()
        on_its_way = not current.begun or waits or self.state in ALIVE
        return current if on_its_way else self._begin(life)

    def restart(self, life: Life) -> Life:
        """Want it up anew: stop what runs, then begin with a fresh budget of failures."""
        self.wanted = True
        return self._begin(life) if self._next is None else self._next

    def stop(self, why: str) -> None:
        """Want it down."""
        self.wanted = False
        if self._next is not None:
            self._next.settle(Outcome.CANCELLED, why)
            self._next = None
        if self.life is not None:
            self.reason = why
            self.life.scope.cancel()
        elif self.state not in (State.STOPPED, State.STUCK):
            self._happened(Happening.GONE, why)

    def kill(self) -> None:
        """SIGKILL to all of it now; after `stop`, the end of one that takes too long."""
        if self.run is not None:
            self.run.kill()

    def reset(self) -> None:
        """Forget its failures; what waits for its next attempt makes it now."""
        self.restarts = self.failures = 0
        if self.life is not None:
            self.life.streak = Streak()
        if self._pause is not None:
            self._pause.cancel()

    @property
    def is_down(self) -> bool:
        """Nothing of it runs, and nothing is on its way."""
        return self.life is None and self._next is None

    @property
    def is_settled(self) -> bool:
        """Its state is that of the life that was asked for last."""
        return self._next is None and (self.life is None or self.life.begun)

    @property
    def has_begun_anew(self) -> bool:
        """Nothing of the life before the last `restart` is left."""
        return self._next is None

    def replace_spec(self, spec: AppSpec) -> None:
        """Use *spec* from the next life on; what runs goes on with the one it has."""
        self.spec = spec

    def retire(self, why: str) -> None:
        """Want it down for ever: `serve` returns when it is."""
        self._retired = True
        self.stop(why)
        self._woken.unpark_all()

    def revive(self) -> None:
        """After a bug in `serve`: begin again, if it is still wanted."""
        life, self._fallen, self.run = self._fallen, None, None
        self.state, self.reason = State.CRASHED, "internal error"
        if life is not None:
            life.settle(Outcome.FAILED, "internal error")
            if self.wanted and self._next is None:
                self._begin(Life(cause="started after an internal error", inherited=life.inherited))
        self.changed.unpark_all()

    # The life of it.

    async def serve(self) -> None:
        """Be what is wanted, until it is retired. Cancelling stops what runs, in full patience."""
        try:
            while True:
                while self._next is None:
                    if self._retired:
                        return
                    await self._woken.park()
                await self._live(self._next)
        finally:
            self._sinks.release()

    def _begin(self, life: Life) -> Life:
        if self._retired:
            self.wanted = False
            life.settle(Outcome.CANCELLED, self.reason)
            return life
        self._next = life
        if self.life is not None:
            self.life.scope.cancel()
        self._woken.unpark_all()
        return life

    async def _live(self, life: Life) -> None:
        self.life, self._next = life, None
        self.restarts = self.failures = 0
        try:
            with life.scope:
                await self._keep_up(life)
            life.settle(Outcome.CANCELLED, self.reason)
            await self._wait_unstuck()
        except Exception:
            self._fallen = life  # whoever survives this calls `revive`
            raise
        finally:
            self.life = None
            if life.scope.cancel_called:
                self._show_down()
            self.changed.unpark_all()

    async def _wait_unstuck(self) -> None:
        run = self.run
        if run is None:
            return
        if run.left_behind():
            self._happened(Happening.SURVIVED, run.survivors)
            await run.wait_empty()
        self._remember(run.as_ended(), run)
        run.let_go()
        self.run = None

    async def _keep_up(self, life: Life) -> None:
        await self._hold(self)
        await trio.sleep(self.spec.start_delay)
        preparation = Preparation(
            spec=self.spec,
            instance=self.number,
            inherited=life.inherited,
            surroundings=self._around,
        )
        while True:
            try:
                decision = await self._one_run(life, preparation)
            except SpawnFailed as error:
                ended = Ended(exit=Exit(spawn_error=error.message), lasted=0)
                decision = self._decide(life, ended, None)
                self._settle_after(life, decision, error.hint)
            match decision:
                case Retry(delay, streak):
                    # A reset since that decision asks for the next attempt now.
                    await self._wait_backoff(delay if life.streak is streak else 0.0)
                case Leave() | GiveUp():
                    return
                case _:
                    assert_never(decision)

    async def _one_run(self, life: Life, preparation: Preparation) -> Leave | Retry | GiveUp:
        async with open_run(self, preparation, self._sinks.of(self.spec)) as run:
            self._spawned(life, run)
            async with trio.open_nursery() as beside:
                if self.spec.health is None:
                    beside.start_soon(self._ready_in_time, life, run)
                ended = await run.wait_end()
                beside.cancel_scope.cancel()
            decision = self._decide(life, ended, run)
            self._settle_after(life, decision, "")
            if isinstance(decision, Retry):
                await self._make_room(run)
            else:
                # Nothing follows, so what the leader left behind may stay; `stop` ends it.
                await run.wait_empty()
        run.let_go()
        self.run = None
        self.changed.unpark_all()
        return decision

    async def _make_room(self, run: Run) -> None:
        """The next run starts when nothing of this one is left: never two at once."""
        await run.sweep()
        if run.left_behind():
            why = self.reason
            self._happened(Happening.SURVIVED, run.survivors)
            await run.wait_empty()
            self._happened(Happening.RETRY, why)

    async def _ready_in_time(self, life: Life, run: Run) -> None:
        await trio.sleep(self.spec.ready.start)
        run.became_ready()
        if self.spec.one_shot:
            # It is meant to end: whoever waits would rather hear how, if that is soon.
            await trio.sleep(ONE_SHOT_GRACE)
            life.settle(Outcome.UP)

    async def _wait_backoff(self, delay: float) -> None:
        self.next_at = time.time() + delay
        try:
            with trio.CancelScope() as self._pause:
                await trio.sleep(delay)
        finally:
            self._pause = self.next_at = None
        self.restarts += 1

    def _decide(self, life: Life, ended: Ended, run: Run | None) -> Leave | Retry | GiveUp:
        now = trio.current_time()
        chance = random.uniform(-1.0, 1.0)
        decision = after_run(self.spec.restart, ended, life.streak, now, chance)
        why = describe(ended)
        self._remember(ended, run)
        match decision:
            case Retry(delay, streak):
                life.streak = streak
                self.failures = streak.failures
                self._happened(
                    Happening.RETRY, why if delay < 0.05 else f"{why}; waits {delay:.1f} s"
                )
            case GiveUp(reason):
                self.failures += 1
                self._happened(Happening.GAVE_UP, reason)
            case Leave():
                self._happened(Happening.ENDED, why)
            case _:
                assert_never(decision)
        return decision

    def _settle_after(self, life: Life, decision: Leave | Retry | GiveUp, hint: str) -> None:
        if isinstance(decision, Leave):
            life.settle(Outcome.ENDED, self.reason)
        else:
            life.settle(Outcome.FAILED, self.reason, hint)

    def _spawned(self, life: Life, run: Run) -> None:
        self.run = run
        self.started_at = time.time()
        self._happened(Happening.SPAWNED, life.cause if self.restarts == 0 else "")

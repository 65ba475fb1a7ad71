"""The coroutine of one life: its runs, one after the other, read top to bottom."""

import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import assert_never

import trio

from oxtrio.errors import SpawnFailed
from oxtrio.model.exit import Exit
from oxtrio.model.state import Happening
from oxtrio.policy.addresses import is_address_in_use
from oxtrio.policy.restart import Ended, GiveUp, Leave, Retry, Streak, after_run, describe
from oxtrio.policy.rotation import Turn
from oxtrio.process.life import Life, Outcome
from oxtrio.process.opening import adopt_run, open_run
from oxtrio.process.past import LAST_LINES, past_of
from oxtrio.process.placing import find_place
from oxtrio.process.preparation import Preparation
from oxtrio.process.readiness import tests_of, watch_readiness
from oxtrio.process.record import boot_seconds
from oxtrio.process.run import Run
from oxtrio.process.sinks import Sinks
from oxtrio.process.standing import Standing
from oxtrio.system.clock import real_time

ONE_SHOT_GRACE = 1.0
"""Seconds that a waiting start gives a one-shot to end; after that it counts as up."""

RECLAIMING = 5.0
"""Seconds in which the sockets of an adopted run are found; then it goes on without them."""

Hold = Callable[[Standing], Awaitable[None]]
"""Returns when the dependencies of an instance are met."""

Decision = Leave | Retry | GiveUp


class Living:
    """Keeps one life up until nothing follows.

    A newcomer begins beside the life in front and changes nothing of what is shown, until its
    first run is ready; then it is in front. The other way round, a life that somebody has
    taken over from only ends what it has.
    """

    def __init__(self, standing: Standing, life: Life, sinks: Sinks) -> None:
        self._standing = standing
        self._life = life
        self._sinks = sinks
        self._pause: trio.CancelScope | None = None

    async def go_on(self, prepare: Callable[[], Preparation], hold: Hold) -> None:
        """Run it. Cancelling stops what runs, in full patience."""
        life = self._life
        if life.adopted is None:
            await self._wait_due(hold)
        if life.preparation is None:
            life.preparation = prepare()
        while True:
            try:
                decision = await self._one_run(life.preparation)
            except SpawnFailed as error:
                decision = self._not_spawned(error)
            match decision:
                case Retry(delay, streak):
                    # A reset since that decision asks for the next attempt now.
                    await self._wait_backoff(delay if life.streak is streak else 0.0)
                    # Whoever was replaced between two runs must not begin the next.
                    await trio.lowlevel.checkpoint_if_cancelled()
                case Leave() | GiveUp():
                    return
                case _:
                    assert_never(decision)

    async def _wait_due(self, hold: Hold) -> None:
        """Return when its first run is to begin, unless that has been cancelled meanwhile."""
        life = self._life
        if not life.beside:
            await hold(self._standing)
            await trio.sleep(self._standing.spec.start_delay)
        if life.delay and not life.beside:
            self._will_retry(life.cause, life.delay)
            await self._wait_backoff(life.delay)
        else:
            await trio.sleep(life.delay)
        life.delay = 0.0  # it has waited
        await trio.lowlevel.checkpoint_if_cancelled()

    def reset(self) -> None:
        """Forget its failures; what waits for its next attempt makes it now."""
        self._life.streak = Streak()
        if self._life.run is not None:
            self._life.run.record.update(counts=self._standing.counts)
        if self._pause is not None:
            self._pause.cancel()

    @property
    def _in_front(self) -> bool:
        return self._standing.life is self._life

    async def _one_run(self, preparation: Preparation) -> Decision:
        standing, life = self._standing, self._life
        await self._find_place(preparation)
        async with self._opened(preparation) as run:
            run.must_pass(tests_of(preparation))
            self._spawned(run)
            async with trio.open_nursery() as beside:
                beside.start_soon(watch_readiness, run, preparation)
                beside.start_soon(self._when_ready, run)
                ended = await run.wait_end()
                beside.cancel_scope.cancel()
            self._let_alone(preparation, run)
            if not self._in_front:
                return self._rejected(ended, run)
            decision = self._decide(ended, run)
            self._settle_after(decision, "")
            if isinstance(decision, Retry):
                await self._make_room(run)
            else:
                # Nothing follows, so what the leader left behind may stay; `stop` ends it.
                await run.wait_empty()
        run.let_go()
        life.run = None
        standing.changed.unpark_all()
        return decision

    async def _find_place(self, preparation: Preparation) -> None:
        if self._life.adopted is None:
            await find_place(self._standing, self._life, preparation)
            return
        # It runs already: who has been told meanwhile to end it must first have it.
        with trio.move_on_after(RECLAIMING, shield=True):
            await find_place(self._standing, self._life, preparation)

    def _opened(self, preparation: Preparation) -> AbstractAsyncContextManager[Run]:
        """A new run; the first of an adopted life is one that was there before."""
        record, self._life.adopted = self._life.adopted, None
        sinks = self._sinks.of(preparation.spec)
        if record is None:
            return open_run(self._standing, preparation, sinks)
        return adopt_run(self._standing, preparation, sinks, record)

    def _let_alone(self, preparation: Preparation, run: Run) -> None:
        """Holding must never break what works without it: a server that binds all the same."""
        taken = not run.ready and is_address_in_use(run.tail.lines(LAST_LINES))
        if taken and run.place is not None and not preparation.serving.certain:
            preparation.leave_alone("its server does not take a socket over")
            if run.place is not self._standing.place:
                run.place.move(Turn.LEAVING)

    def _spawned(self, run: Run) -> None:
        standing, life = self._standing, self._life
        life.run = run
        if life.beside:
            life.tell(f"spawned pid {run.main_pid}", run.main_pid)
            standing.happened(Happening.NEWCOMER, f"newcomer started (pid {run.main_pid})")
            return
        standing.started_at = time.time() - (real_time() - run.began)
        standing.happened(Happening.SPAWNED, life.cause if standing.restarts == 0 else "")
        if run.ready:
            standing.ready(run)  # it was so before it was adopted
        if run.child.paused:
            standing.paused(run, True)

    async def _when_ready(self, run: Run) -> None:
        """What follows from readiness, or from its absence."""
        life, spec = self._life, run.spec
        if life.beside:
            with trio.move_on_after(spec.ready.timeout) as patience:
                await run.proven.wait()
                self._standing.take_over(life, run.place)
                life.tell("switched", run.main_pid)
            if patience.cancelled_caught:
                answer = f"; last health answer: {run.last_answer}" if run.last_answer else ""
                run.fail(f"not ready within {spec.ready.timeout:g} s{answer}")
                return
            life.settle(Outcome.UP)
        elif spec.one_shot:
            await run.proven.wait()
            # It is meant to end: whoever waits would rather hear how, if that is soon.
            await trio.sleep(ONE_SHOT_GRACE)
            life.settle(Outcome.UP)

    def _rejected(self, ended: Ended, run: Run | None, hint: str = "") -> Leave:
        """It never came in front, or no longer is there: what is shown is not about it."""
        standing, life = self._standing, self._life
        if life.beside:
            past = replace(past_of(ended, run), spec=life.spec)
            life.rejected = standing.rejected = past
            standing.newcomer = None
            standing.happened(Happening.REJECTED, f"newcomer failed: {past.why}")
            life.settle(Outcome.FAILED, past.why, hint)
            if life.otherwise is not None:
                life.otherwise()
        return Leave()

    def _not_spawned(self, error: SpawnFailed) -> Decision:
        ended = Ended(exit=Exit(spawn_error=error.message), lasted=0)
        if not self._in_front:
            return self._rejected(ended, None, error.hint)
        decision = self._decide(ended, None)
        self._settle_after(decision, error.hint)
        return decision

    async def _make_room(self, run: Run) -> None:
        """The next run starts when nothing of this one is left: never two at once."""
        await run.sweep()
        # Meanwhile a newcomer may have taken over: then this life is about to be cancelled.
        if self._in_front and run.left_behind():
            why, left = self._standing.reason, self._standing.next_in
            self._standing.happened(Happening.SURVIVED, run.survivors)
            await run.wait_empty()
            if self._in_front:
                self._will_retry(why, left or 0.0)
        await run.wait_empty()  # nobody may be seen any more, and that not be sure yet

    def _will_retry(self, why: str, delay: float) -> None:
        # Both in one step: who knew the one without the other after a crash would not wait.
        self._standing.next_at = boot_seconds() + delay
        self._standing.happened(Happening.RETRY, why)

    async def _wait_backoff(self, delay: float) -> None:
        standing = self._standing
        await trio.lowlevel.checkpoint_if_cancelled()  # replaced meanwhile: nothing follows
        standing.next_at = boot_seconds() + delay
        try:
            with trio.CancelScope() as self._pause:
                await trio.sleep(delay)
        finally:
            self._pause = None
            if self._in_front:
                standing.next_at = None
        standing.restarts += 1

    def _decide(self, ended: Ended, run: Run | None) -> Decision:
        standing, life = self._standing, self._life
        now = trio.current_time()
        chance = random.uniform(-1.0, 1.0)
        restart = standing.spec.restart if life.spec is None else life.spec.restart
        decision = after_run(restart, ended, life.streak, now, chance)
        if isinstance(decision, Retry) and run is not None:
            decision = replace(
                decision, delay=max(0.0, decision.delay - run.record.record.ended_ago)
            )
        why = describe(ended)
        standing.remember(ended, run)
        match decision:
            case Retry(delay, streak):
                life.streak = streak
                standing.failures = streak.failures
                self._will_retry(why if delay < 0.05 else f"{why}; waits {delay:.1f} s", delay)
            case GiveUp(reason):
                standing.failures += 1
                standing.happened(Happening.GAVE_UP, reason)
            case Leave():
                standing.happened(Happening.ENDED, why)
            case _:
                assert_never(decision)
        return decision

    def _settle_after(self, decision: Decision, hint: str) -> None:
        if isinstance(decision, Leave):
            self._life.settle(Outcome.ENDED, self._standing.reason)
        else:
            self._life.settle(Outcome.FAILED, self._standing.reason, hint)

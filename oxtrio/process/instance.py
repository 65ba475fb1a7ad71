"""One numbered copy of an app: what is wanted of it, and the lives that follow from that."""

import random
from collections.abc import Callable

import trio

from oxtrio.model.spec import AppSpec, ReloadManner
from oxtrio.model.state import ALIVE, SERVING, Happening, State
from oxtrio.policy.rotation import Turn
from oxtrio.process.life import Life, Outcome
from oxtrio.process.living import Hold, Living
from oxtrio.process.over_limit import life_after
from oxtrio.process.preparation import Preparation
from oxtrio.process.run import Run
from oxtrio.process.sinks import Sinks
from oxtrio.process.standing import Publish, Standing
from oxtrio.process.surroundings import Surroundings


class Instance(Standing):
    """Runs its process, again and again, until it is stopped, ends as meant, or is given up.

    Steering it is synchronous: `start`, `stop`, `restart` and `succeed` change what is wanted
    and cancel the life that no longer is; the coroutine `serve` does the rest.
    """

    def __init__(
        self, spec: AppSpec, number: int, around: Surroundings, publish: Publish, hold: Hold
    ) -> None:
        super().__init__(spec, number, publish)
        self.coming: Life | None = None
        """Begins when nothing of the life before is left."""
        self._woken = trio.lowlevel.ParkingLot()
        self._around = around
        self._hold = hold
        self._retired = False
        self.report: Callable[[str, BaseException], None] = _ignore
        """Takes a bug that has ended a life beside the one in front, and nothing else."""
        self._living: dict[Life, Living] = {}
        """All lives of which anything is left."""
        self._fallen: Life | None = None
        """A life that a bug has ended."""
        self._sinks = Sinks(around.logs, number)

    # Steering: what an operator wants. Nothing here waits.

    def start(self, life: Life) -> Life:
        """Want it up. What is up, or on its way, is left alone; its life is returned."""
        self.wanted = True
        if self.coming is not None:
            return self.coming
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
        return self._begin(life) if self.coming is None else self.coming

    def adopt(self, life: Life) -> None:
        """Go on with the run that *life* brings from an earlier supervisor."""
        self.wanted = True
        self.coming = life
        self._woken.unpark_all()

    def recall(self, state: State, reason: str) -> None:
        """It ended for good under an earlier supervisor, and is shown so."""
        self.wanted, self.state, self.reason = True, state, reason

    def can_be_succeeded(self) -> bool:
        """Whether there is somebody whom a newcomer could take over from."""
        serves = self.wanted and self.state in SERVING and self.coming is None
        return serves and self.newcomer is None and not self._retired

    def succeed(self, life: Life) -> Life:
        """Begin *life* beside what runs; it takes over when its first run is ready.

        Where that fails, what runs has never noticed. Only for what `can_be_succeeded`.
        """
        life.beside = True
        self.newcomer = life
        self._woken.unpark_all()
        return life

    def over_limit(self, run: Run, why: str) -> None:
        """Replace a run that uses too much: by a newcomer beside it where it can overlap.

        Either way it counts as a failure of that run.
        """
        life = self.life
        newcomer = None
        if life is not None and run is self.run and self._overlaps():
            newcomer = life_after(life, run, why, random.uniform(-1.0, 1.0))
        if newcomer is None:
            run.fail(why)
            return
        newcomer.preparation = self.prepare(newcomer, run.spec)
        self.succeed(newcomer)

    def _overlaps(self) -> bool:
        manner = self.serving.succession.manner if self.serving is not None else None
        return manner is ReloadManner.OVERLAP and self.can_be_succeeded()

    def stop(self, why: str) -> None:
        """Want it down."""
        self.wanted = False
        self.drained = False
        if self.coming is not None:
            self.coming.settle(Outcome.CANCELLED, why)
            self.coming = None
        self._dismiss_newcomer(why)
        if self.life is not None:
            self.reason = why
            self.life.scope.cancel()
        elif self.state not in (State.STOPPED, State.STUCK):
            self.happened(Happening.GONE, why)

    def kill(self) -> None:
        """SIGKILL to all of it now; after `stop`, the end of one that takes too long."""
        for life in self._living:
            if life.run is not None:
                life.run.kill()

    def reset(self) -> None:
        """Forget its failures; what waits for its next attempt makes it now."""
        self.restarts = self.failures = 0
        if self.life is not None and self.life in self._living:
            self._living[self.life].reset()

    def drain(self, drained: bool) -> None:
        """Take it out of the rotation, or put it back: it runs on either way."""
        if drained is not self.drained:
            self.drained = drained
            self.take_turn()
            self.happened(Happening.DRAINED if drained else Happening.RESUMED, "")

    @property
    def is_down(self) -> bool:
        """Nothing of it runs, and nothing is on its way."""
        return self.life is None and self.coming is None and not self._living

    @property
    def is_between_lives(self) -> bool:
        """Something of it is being ended, or has to be before the next life begins."""
        ending = self.life is not None and self.life.scope.cancel_called
        return ending or self.coming is not None or len(self._living) > 1

    @property
    def is_settled(self) -> bool:
        """Its state is that of the life that was asked for last."""
        return self.coming is None and (self.life is None or self.life.begun)

    @property
    def has_begun_anew(self) -> bool:
        """Nothing of the life before the last `restart` is left."""
        return self.coming is None

    def retire(self, why: str) -> None:
        """Want it down for ever: `serve` returns when it is."""
        self._retired = True
        self.stop(why)
        self._woken.unpark_all()

    def revive(self) -> None:
        """After a bug in `serve`: begin again, if it is still wanted."""
        life, self._fallen, self.life, self.newcomer = self._fallen, None, None, None
        self._living.clear()
        self.state, self.reason = State.CRASHED, "internal error"
        self.take_turn()
        if life is not None:
            life.settle(Outcome.FAILED, "internal error")
            if self.wanted and self.coming is None:
                self._begin(Life(cause="started after an internal error", inherited=life.inherited))
        self.changed.unpark_all()

    # The lives of it.

    async def serve(self) -> None:
        """Be what is wanted, until it is retired. Cancelling stops what runs, in full patience."""
        try:
            async with trio.open_nursery() as lives:
                while not (self._retired and self.is_down):
                    self._begin_due(lives)
                    await self._woken.park()
        finally:
            self.move_to(None)
            self._sinks.release()

    def _begin_due(self, lives: trio.Nursery) -> None:
        """Begin the newcomer at once, any other life when nothing of the one before is left."""
        newcomer = self.newcomer
        if newcomer is not None and newcomer not in self._living:
            self._begin_now(newcomer, lives)
        if self.coming is not None and not self._living:
            self.life, self.coming = self.coming, None
            self.restarts, self.failures = self.life.restarts, self.life.streak.failures
            self.rejected = None
            self._begin_now(self.life, lives)

    def _begin_now(self, life: Life, lives: trio.Nursery) -> None:
        self._living[life] = Living(self, life, self._sinks)
        lives.start_soon(self._live, life)

    def _begin(self, life: Life) -> Life:
        if self._retired:
            self.wanted = False
            life.settle(Outcome.CANCELLED, self.reason)
            return life
        self.coming = life
        self._dismiss_newcomer("restarted meanwhile")
        if self.life is not None:
            self.life.scope.cancel()
        self._woken.unpark_all()
        return life

    def _dismiss_newcomer(self, why: str) -> None:
        if self.newcomer is not None:
            self.newcomer.settle(Outcome.CANCELLED, why)
            self.newcomer.scope.cancel()
            if self.newcomer not in self._living:
                self.newcomer.over.set()
            self.newcomer = None

    async def _live(self, life: Life) -> None:
        try:
            with life.scope:
                await self._living[life].go_on(lambda: self.prepare(life, self.spec), self._hold)
            life.settle(Outcome.CANCELLED, self.reason)
            await self._wait_unstuck(life)
            if self.life is life:
                await self._wait_others()
        except Exception as bug:
            life.settle(Outcome.FAILED, "internal error")
            if self.life is life:
                self._fallen = life  # whoever survives this calls `revive`
                raise
            self.report(f"a life of {self.name} beside the one in front failed", bug)
        finally:
            self._end(life)

    def _end(self, life: Life) -> None:
        """Nothing of *life* is left."""
        life.settle(Outcome.CANCELLED, self.reason)
        self._living.pop(life, None)
        place = life.preparation.place if life.preparation is not None else None
        if place is not None and place is not self.place:
            place.move(Turn.LEAVING)
        if self.newcomer is life:
            self.newcomer = None
        if self.life is life:
            self.life = None
            if life.scope.cancel_called:
                self.show_down()
                self.take_turn()  # it may have been stopped before it had begun
        life.over.set()
        self.changed.unpark_all()
        self._woken.unpark_all()

    async def _wait_others(self) -> None:
        """The life in front is over when those are that it replaced, or that were to replace it."""
        for other in list(self._living):
            if other not in (self.life, self.newcomer):
                if other.survivors:
                    self.happened(Happening.SURVIVED, other.survivors)
                await other.over.wait()

    async def _wait_unstuck(self, life: Life) -> None:
        run = life.run
        if run is None:
            return
        if run.left_behind():
            life.survivors = run.survivors
            if self.life is life or self.state is State.STOPPING:
                self.happened(Happening.SURVIVED, life.survivors)
            await run.wait_empty()
        if self.life is life:
            self.remember(run.as_ended(), run)
        run.let_go()
        life.run = None

    def prepare(self, life: Life, spec: AppSpec) -> Preparation:
        """How the runs of *life* will be launched; nothing is looked up yet."""
        return Preparation(
            spec=spec,
            instance=self.number,
            inherited=life.inherited,
            surroundings=self._around,
        )


def _ignore(what: str, bug: BaseException) -> None:
    """For an instance of which nobody wants to know its bugs."""

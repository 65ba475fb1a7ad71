"""Looks at what runs use: for those that have a limit, and while somebody wants to see it."""

from collections.abc import AsyncIterable, Sequence
from dataclasses import replace
from typing import Never

import trio

from oxtrio.model.usage import Usage
from oxtrio.monitors.target import Report, Run
from oxtrio.monitors.viewers import Viewers
from oxtrio.policy.limits import LimitRecord, after_sample, has_limit, percent
from oxtrio.system.clock import real_time
from oxtrio.system.threads import in_thread
from oxtrio.system.usage import Meter, proportional_memory

PERIOD = 2.0
"""Seconds between two samples."""
PATIENCE = 1.0
"""Seconds that the kernel may take to add up the PSS of a run."""


async def watch_usage(runs: AsyncIterable[Run], viewers: Viewers, report: Report) -> Never:
    """Sample the runs that *runs* yields every 2 s, as long as one has a limit or a viewer.

    Nothing wakes up otherwise. A bug in the sampling of one run is handed to *report* and
    ends the watch of that run only. Cancelling changes nothing.
    """
    watched: list[Watched] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_sample_as_needed, watched, viewers, report)
        async for run in runs:
            # Not only when sampling: that may not happen for days.
            _forget_ended(watched)
            watched.append(Watched(run))
            viewers.wake()
        await trio.sleep_forever()
    raise AssertionError("sleep_forever has returned")


class Watched:
    """One run, and what earlier samples have shown of it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._meter = Meter()
        self._limits = LimitRecord()
        self._last = Usage(memory=0, cpu_seconds=0.0, processes=0)
        self._last_at = run.began
        self._over = False
        self._reading = trio.CapacityLimiter(1)

    @property
    def ended(self) -> bool:
        return self.run.ended.is_set()

    @property
    def limited(self) -> bool:
        """A breach is said once: after it there is nothing to watch for."""
        return not self._over and has_limit(self.run.limits)

    async def sample(self) -> None:
        """Look once, tell the run what it uses, and, once, that it is too much.

        Cancelling says nothing to the run.
        """
        pids = self.run.pids()
        now, measured_at = trio.current_time(), real_time()
        usage = self._meter.sample(pids)
        usage = replace(usage, cpu_percent=percent(self._last, usage, measured_at - self._last_at))
        self._last, self._last_at = usage, measured_at
        limit = self.run.limits.memory
        exact = True
        if limit is not None and usage.memory > limit:
            # Pages that workers share count several times in the RSS sum: PSS decides.
            proportional = await self._proportional(pids)
            exact = proportional is not None
            usage = replace(usage, memory=min(usage.memory, proportional or usage.memory))
        if self.ended:
            return
        self.run.usage(usage)
        if exact and self.limited:
            self._judge(usage, now)

    async def _proportional(self, pids: Sequence[int]) -> int | None:
        """The PSS sum; None where the kernel takes too long, which is no ground for a restart."""
        with trio.move_on_after(PATIENCE):
            return await in_thread(
                proportional_memory, pids, limiter=self._reading, abandon_on_cancel=True
            )
        return None

    def _judge(self, usage: Usage, now: float) -> None:
        self._limits, why = after_sample(self.run.limits, self._limits, usage, now)
        if why is not None:
            self._over = True
            self.run.over_limit(why)


async def _sample_as_needed(watched: list[Watched], viewers: Viewers, report: Report) -> Never:
    while True:
        _forget_ended(watched)
        for_viewers = viewers.watching
        needed = [one for one in watched if for_viewers or one.limited]
        for one in needed:
            try:
                await one.sample()
            except Exception as bug:  # noqa: BLE001 - one run's figures must not cost the others'
                report(f"sampling {one.run.name} failed", bug)
                watched.remove(one)
            # A hundred runs take milliseconds, in which others want their turn.
            await trio.lowlevel.checkpoint()
        if for_viewers:
            viewers.served()
        if not needed:
            await viewers.wait_woken()
            continue
        with trio.move_on_after(PERIOD):
            await viewers.wait_newcomer()


def _forget_ended(watched: list[Watched]) -> None:
    watched[:] = [one for one in watched if not one.ended]

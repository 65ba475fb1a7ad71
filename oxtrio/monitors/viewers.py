"""Who wants to see what runs use."""

import trio

ATTENTION = 10.0
"""Seconds for which somebody who has looked counts as still looking."""
FRESH = 2.0
"""Seconds for which figures count as those of now."""


class Viewers:
    """Whoever shows figures calls `look` each time; then they are kept fresh for a while."""

    def __init__(self) -> None:
        self._until = float("-inf")
        self._served_at = float("-inf")
        self._woken = trio.Event()
        self._newcomer = trio.Event()
        self._served = trio.Event()

    @property
    def watching(self) -> bool:
        """Whether somebody has looked within the last 10 s."""
        return trio.current_time() < self._until

    def look(self) -> None:
        """Somebody looks now."""
        if not self.watching:
            self._newcomer.set()
            self.wake()
        self._until = trio.current_time() + ATTENTION

    async def wait_fresh(self) -> None:
        """Look, and return as soon as the figures are not older than 2 s.

        The caller brings the timeout: nobody serves it while the monitor is down. Cancelling
        changes nothing.
        """
        self.look()
        if trio.current_time() - self._served_at < FRESH:
            await trio.lowlevel.checkpoint()
            return
        await self._served.wait()

    def wake(self) -> None:
        """There may be something to look at where there was nothing."""
        self._woken.set()

    async def wait_woken(self) -> None:
        """Wait for `wake`; one that came since the last time counts. Cancelling changes nothing."""
        await self._woken.wait()
        self._woken = trio.Event()

    async def wait_newcomer(self) -> None:
        """Wait until somebody looks after a while without. Cancelling changes nothing."""
        await self._newcomer.wait()

    def served(self) -> None:
        """All figures are those of now."""
        self._served_at = trio.current_time()
        self._served.set()
        self._served, self._newcomer = trio.Event(), trio.Event()

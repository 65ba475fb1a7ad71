"""Waiting for what the kernel tells nobody: that somebody else has accepted a connection."""

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import ParamSpec, TypeVar

import trio

from oxtrio.system import threads

P = ParamSpec("P")
T = TypeVar("T")

SOONEST = 0.02
LATEST = 0.2

GLANCE = 0.01
"""Seconds between two looks at a queue that others empty."""
QUIET = 0.15
"""Seconds without anybody in the queue after which nobody is on the way any more."""

Pids = Callable[[], Collection[int]]
"""The processes of a run, as they are at the moment of the call."""


async def pause(closed: trio.Event, seconds: float) -> None:
    """Sleep, but no longer than until *closed*. Cancelling does nothing else."""
    with trio.move_on_after(seconds):
        await closed.wait()


async def wait_until(check: Callable[[], Awaitable[bool]], closed: trio.Event) -> None:
    """Return when *check* says so, or when *closed*. Cancelling leaves nothing behind.

    It has to ask again and again: only who accepts a connection, or looks into the tables of
    the kernel, learns that it was accepted.
    """
    await trio.lowlevel.checkpoint()
    interval = SOONEST
    while not closed.is_set() and not await check():
        await pause(closed, interval)
        interval = min(interval * 1.5, LATEST)


async def wait_quiet(is_busy: Callable[[], Awaitable[bool]], closed: trio.Event) -> None:
    """Return when it was not busy for 150 ms without a break, or when *closed*.

    Cancelling leaves nothing behind.
    """
    quiet_since = trio.current_time()
    while not closed.is_set() and trio.current_time() - quiet_since < QUIET:
        await pause(closed, GLANCE)
        if await is_busy():
            quiet_since = trio.current_time()


async def in_thread(read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What *read* gives, which may take long and changes nothing. Cancelling leaves it alone."""
    reading = partial(read, *args, **kwargs)
    return await threads.in_thread(reading, abandon_on_cancel=True)

"""Work that blocks, in a thread; and what becomes of it where no thread can be had.

A thread is a process to a limit of processes (`ulimit -u`, `--pids-limit` of a container). The
supervisor has to go on when its apps have used all of them up.
"""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_REFUSED = "can't start new thread"


async def in_thread(
    work: Callable[[*Ts], T],
    *args: *Ts,
    limiter: trio.CapacityLimiter | None = None,
    abandon_on_cancel: bool = False,
) -> T:
    """What *work* returns; it is done here and now, and holds everybody up, where it must be.

    Cancelling waits for it, or leaves it alone (*abandon_on_cancel*).
    """
    try:
        return await trio.to_thread.run_sync(
            work, *args, limiter=limiter, abandon_on_cancel=abandon_on_cancel
        )
    except RuntimeError as error:
        if not is_refusal(error):
            raise
    return work(*args)


def is_refusal(error: RuntimeError) -> bool:
    """Whether it says that no thread can be started now."""
    return str(error) == _REFUSED

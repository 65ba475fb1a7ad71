"""The outcome of an order, for a client that may no longer be there."""

from collections.abc import Awaitable, Callable
from typing import ParamSpec

import trio

from oxtrio.model.order import Report

P = ParamSpec("P")


class Result:
    """A report or an exception, once."""

    def __init__(self) -> None:
        self._done = trio.Event()
        self._report: Report | None = None
        self._error: Exception | None = None

    async def of(
        self, carry: Callable[P, Awaitable[Report]], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Be what *carry* returns or raises; nothing is raised here but cancellation."""
        try:
            self._report = await carry(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - it is raised where the order was given
            self._error = error
        finally:
            self._done.set()

    async def wait(self) -> Report:
        """The report; raises what the order raised. Cancelling ends the waiting only."""
        await self._done.wait()
        if self._report is not None:
            return self._report
        raise self._error or trio.BrokenResourceError("the supervisor ended before it was done")

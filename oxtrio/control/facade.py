"""What the control API needs of the supervisor, and nothing else."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from oxtrio.model.log import LogLine, LogQuery, Skipped
from oxtrio.model.order import Order, Report, Step, SupervisorStatus, Why
from oxtrio.model.status import Event, InstanceStatus


class Steered(Protocol):
    """The supervisor, as its clients see it. Names are apps, `app:0`, `tag:x` or globs."""

    async def carry_out(self, order: Order, tell: Callable[[Step], None]) -> Report:
        """Do *order* and report; *tell* is called for each step on the way, and never blocks.

        Raises `OxtrioError`: unknown names, a broken oxfile, wrong use. Cancelling this only
        ends the waiting: the operation is the supervisor's own and goes on.
        """

    def status(self, names: Sequence[str]) -> tuple[InstanceStatus, ...]:
        """What *names* are (none: all), with the last numbers known. Raises `NotFound`."""

    async def measured_status(self, names: Sequence[str]) -> tuple[InstanceStatus, ...]:
        """The same with CPU and memory measured now; takes up to about 0.1 s."""

    async def why(self, name: str) -> Why:
        """Why one instance is in its state. Raises `NotFound`."""

    def supervisor_status(self) -> SupervisorStatus:
        """The supervisor itself."""

    def events(self, *, since_seq: int | None, last: int | None) -> tuple[Event, ...]:
        """What happened, oldest first: after *since_seq*, the *last* so many, else all."""

    def follow_events(self) -> AbstractContextManager[AsyncIterator[Event]]:
        """What happens from now on; the iterator ends for a reader that falls behind."""

    def follow_logs(
        self, query: LogQuery
    ) -> AbstractAsyncContextManager[AsyncIterator[LogLine | Skipped]]:
        """The lines that match, then those to come if the query follows.

        Entering raises `NotFound` for names and `UsageError` for a wrong `grep` or `level`.
        """

    def shutdown(self, kill: bool) -> None:
        """Begin to stop all apps and then the supervisor; *kill*: at once. Returns at once."""

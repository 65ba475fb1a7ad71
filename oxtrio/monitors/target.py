"""All that a monitor may know of a run, and all that it may ask for."""

from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from oxtrio.model.health import Answer, CommandResult
from oxtrio.model.spec import HealthSpec, LimitsSpec
from oxtrio.model.usage import Usage
from oxtrio.system.probes import Connect

Report = Callable[[str, BaseException], None]
"""Takes what failed, and the bug: one that a monitor survives."""


class Run(Protocol):
    """One life of an OS process. What is said to a run that has ended is ignored by it."""

    @property
    def name(self) -> str:
        """Of the instance: `api`, or `api:0` where the app has several."""
        ...

    @property
    def app(self) -> str: ...

    @property
    def run_id(self) -> str: ...

    @property
    def health(self) -> HealthSpec | None:
        """With `${instance}` replaced; None where the app has no health check."""
        ...

    @property
    def limits(self) -> LimitsSpec: ...

    @property
    def began(self) -> float:
        """`real_time` (system/clock.py) of the spawn."""
        ...

    @property
    def spawned_at(self) -> float:
        """On Trio's clock; before its start for a run that was adopted."""
        ...

    @property
    def ended(self) -> trio.Event: ...

    @property
    def paused(self) -> bool:
        """Not to be probed now: it is SIGSTOPped, or being stopped."""
        ...

    @property
    def ready(self) -> bool:
        """It has become ready: before this monitor began, where the run was adopted."""
        ...

    @property
    def unhealthy(self) -> bool:
        """It was said to be unwell, and not yet to be well again."""
        ...

    def pids(self) -> Sequence[int]:
        """Every live process of the run."""
        ...

    async def run_command(
        self, command: str | tuple[str, ...], patience: float, /
    ) -> CommandResult:
        """Run *command* as the app would run: environment, user, folder.

        It and its group are killed after *patience* seconds, and when this is cancelled.
        """
        ...

    @property
    def connect(self) -> Connect:
        """Opens the connections of its health probes, so that it answers and nobody else."""
        ...

    def answered(self, answer: Answer) -> None:
        """The last answer of the health check, for `status`."""
        ...

    def became_ready(self) -> None:
        """The health check passed; said once."""
        ...

    def never_ready(self, why: str) -> None:
        """The health check did not pass in time: the run has failed. Said once, and last."""
        ...

    def unwell(self, why: str) -> None:
        """The health check failed too often in a row, after having passed."""
        ...

    def well(self) -> None:
        """It passes again; said only with `on_unhealthy = "nothing"`."""
        ...

    def usage(self, usage: Usage) -> None:
        """What the run uses now."""
        ...

    def over_limit(self, why: str) -> None:
        """A limit was exceeded: `memory 612 MB > 512 MB`; said once."""
        ...

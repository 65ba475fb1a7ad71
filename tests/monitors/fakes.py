"""Runs that remember what monitors told them, and when."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import trio

from oxtrio.model.health import Answer, CommandResult
from oxtrio.model.spec import HealthSpec, LimitsSpec
from oxtrio.model.usage import Usage
from oxtrio.system.probes import ANYBODY, Connect

Told = tuple[float, str]


@dataclass
class FakeRun:
    """A run without a process; *told* is what was asked of it, with the time."""

    name: str = "api"
    health: HealthSpec | None = None
    limits: LimitsSpec = field(default_factory=LimitsSpec)
    ready: bool = False
    unhealthy: bool = False
    paused: bool = False
    told: list[Told] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    used: list[Usage] = field(default_factory=list)
    commands: list[tuple[str | tuple[str, ...], float]] = field(default_factory=list)
    command_result: CommandResult = field(default_factory=lambda: CommandResult(code=0))

    def __post_init__(self) -> None:
        self.app = self.name.partition(":")[0]
        self.run_id = f"run of {self.name}"
        self.spawned_at = self.began = trio.current_time()
        self.ended = trio.Event()

    def pids(self) -> Sequence[int]:
        return [10, 11]

    async def run_command(
        self, command: str | tuple[str, ...], patience: float, /
    ) -> CommandResult:
        self.commands.append((command, patience))
        await trio.lowlevel.checkpoint()
        return self.command_result

    @property
    def connect(self) -> Connect:
        return ANYBODY

    def answered(self, answer: Answer) -> None:
        self.answers.append(answer)

    def became_ready(self) -> None:
        self._tell("ready")

    def never_ready(self, why: str) -> None:
        self._tell(f"never ready: {why}")

    def unwell(self, why: str) -> None:
        self._tell(f"unwell: {why}")

    def well(self) -> None:
        self._tell("well")

    def usage(self, usage: Usage) -> None:
        self.used.append(usage)

    def over_limit(self, why: str) -> None:
        self._tell(why)

    def _tell(self, what: str) -> None:
        self.told.append((round(trio.current_time() - self.spawned_at, 3), what))


Feed = Callable[..., AsyncIterator[FakeRun]]


async def feed(*runs: FakeRun) -> AsyncIterator[FakeRun]:
    """The runs that live, and no new ones."""
    for run in runs:
        yield run
    await trio.sleep_forever()

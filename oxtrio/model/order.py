"""What an operator asks of the supervisor, and what is answered."""

from dataclasses import dataclass
from enum import StrEnum, auto


class Verb(StrEnum):
    """What can be asked; each waits until it is done unless told not to."""

    START = auto()
    STOP = auto()
    RESTART = auto()
    RELOAD = auto()
    RESET = auto()
    SIGNAL = auto()
    WAIT = auto()
    SCALE = auto()
    DRAIN = auto()
    RESUME = auto()
    PAUSE = auto()
    UPGRADE = auto()


class Until(StrEnum):
    """What `oxtrio wait --for` waits for."""

    RUNNING = auto()
    READY = auto()
    HEALTHY = auto()
    EXITED = auto()
    STOPPED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One request: *verb* for all that *names* select (none: all)."""

    verb: Verb
    names: tuple[str, ...] = ()
    """App, `app:0`, `tag:x` or a glob."""
    wait: bool = True
    timeout: float | None = None
    """Seconds after which waiting ends (exit code 124); the operation itself goes on."""
    env: tuple[tuple[str, str], ...] | None = None
    """The caller's environment, with `--update-env`."""
    if_changed: bool = False
    dry_run: bool = False
    signal: str = ""
    """Name of the signal, for SIGNAL."""
    until: Until = Until.READY
    instances: int | None = None
    """For SCALE: how many, of the one app that *names* says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Progress: *name* is now *state*."""

    name: str
    state: str
    reason: str = ""
    pid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One instance for which the operation failed."""

    name: str
    reason: str
    hint: str = ""
    last_lines: tuple[str, ...] = ()
    """The last of its output, decoded with replacement, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How an order ended. `ok` is false when anything failed."""

    done: tuple[Step, ...] = ()
    """The final state of every instance that the order was about, in order."""
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    """Lines for the operator: `changed: oxtrio reload api`, `Would start: api (×2 instances)`."""
    warnings: tuple[str, ...] = ()
    timed_out: bool = False
    ends_supervisor: bool = False
    """The supervisor ends after this order (`stop` without a name)."""

    @property
    def ok(self) -> bool:
        """Whether everything that was asked has been done."""
        return not self.failures and not self.timed_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why an instance is in its state."""

    name: str
    state: str
    text: str
    """One paragraph."""
    hints: tuple[str, ...] = ()
    """What to do next, as commands or lines for the oxfile."""
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorStatus:
    """The supervisor of one project."""

    version: str
    pid: int
    project: str
    """Its identity: the path of the oxfile, or its name."""
    id: str
    files: tuple[str, ...]
    started_at: str
    foreground: bool
    stopping: bool
    warnings: tuple[str, ...] = ()
    """Degraded operation, such as a log that cannot be written."""
    containment: str = ""
    """How what runs have started is found and ended, in words: by cgroup, or by descent and why."""
    steered: bool = False
    """Whether each run has a held socket of its own, for which new connections are chosen."""
    upgrades: int = 0
    """How often its program was replaced in place."""
    upgrade_failed: str = ""
    """Why the last try of that was given up after it had been answered; "" where it was not."""

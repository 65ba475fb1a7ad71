"""What is asked of an app: frozen, complete, and the same whatever dialect it was written in.

All times are float seconds, all sizes bytes. Changing a spec makes a new one, so "did it
change?" is `old != new`. Only `${instance}` is still to be replaced in the strings here
(in command, env values, health endpoint and log paths); every other variable is expanded.
"""

from dataclasses import dataclass, field
from enum import StrEnum, auto
from signal import Signals

Pairs = tuple[tuple[str, str], ...]
"""A mapping that can be frozen and compared: names and values in order."""


class Condition(StrEnum):
    """What a dependency must have reached before its dependents start."""

    STARTED = auto()
    READY = auto()
    HEALTHY = auto()
    COMPLETED = auto()  # exited with success
    EXITED = auto()


class OnExit(StrEnum):
    """What the end of one app means for the project."""

    NOTHING = auto()
    SHUTDOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartSpec:
    """What follows when a run ends by itself."""

    always: bool | None = None
    """True: restart after any exit. False: never. None: on failure only."""
    delay: float | None = None
    """None: the first failure restarts at once, the next after 0.1 s, then doubling."""
    delay_max: float = 60.0
    limit: int = 15
    """Consecutive failures after which it is given up; 0: never."""
    window: float = 60.0
    """A run that lasted this long clears the count."""
    success_codes: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadySpec:
    start: float = 1.0
    """Without a readiness test: up after this long (one-shots: 0)."""
    timeout: float = 60.0
    """How long a start, restart or reload that waits, waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSpec:
    signal: Signals = Signals.SIGTERM
    to_group: bool = False
    timeout: float = 10.0
    """Honoured in full; then SIGKILL to everything of the run."""


class OnUnhealthy(StrEnum):
    RESTART = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSpec:
    """How to find out whether a run is well: exactly one of *endpoint*, *command*."""

    endpoint: str | None = None
    command: str | tuple[str, ...] | None = None
    status: tuple[int, ...] = (200,)
    interval: float = 30.0
    timeout: float = 5.0
    healthy_threshold: int = 1
    unhealthy_threshold: int = 3
    initial_delay: float = 0.0
    start_period: float = 60.0
    """From the end of the initial delay: failures before the first pass do not count in it."""
    on_unhealthy: OnUnhealthy = OnUnhealthy.RESTART


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSpec:
    memory: int | None = None
    """Bytes, of the whole run."""
    cpu_percent: float | None = None
    """100 is one core, over *cpu_window*."""
    cpu_window: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySpec:
    """Whom a run acts as; None is what oxtrio itself is."""

    user: str | None = None
    group: str | None = None
    groups: tuple[str, ...] | None = None
    umask: int | None = None
    nice: int | None = None
    oom_score_adj: int | None = None
    rlimits: tuple[tuple[str, int, int], ...] = ()
    """(name without RLIMIT_ in lower case, soft, hard); -1 is unlimited."""


class WhenFull(StrEnum):
    """What to do with output that cannot be written because the disk is full."""

    DROP = auto()
    BLOCK = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSpec:
    file: str | None = None
    """Absolute path, may contain `${instance}`; None: the default log of the state folder."""
    error_file: str | None = None
    """None: stderr goes where stdout goes."""
    date_format: str | None = None
    """As written in the oxfile (strftime, moment.js tokens or `iso`); None: the app's own bytes."""
    max_size: int = 100 * 1024 * 1024
    max_files: int = 5
    compress: bool = False
    when_full: WhenFull = WhenFull.DROP


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSpec:
    """Everything that is asked of one app."""

    name: str
    command: str | tuple[str, ...]
    """A string runs by `/bin/sh -c`, a tuple is executed directly."""
    working_dir: str
    """Absolute, symlinks kept: they are resolved anew at every spawn."""
    venv: str | None = None
    instances: int = 1
    restart: RestartSpec = field(default_factory=RestartSpec)
    ready: ReadySpec = field(default_factory=ReadySpec)
    stop: StopSpec = field(default_factory=StopSpec)
    env: Pairs = ()
    """The app's own `env` over the top-level `[env]`."""
    env_files: tuple[str, ...] = ()
    inherit_env: bool | tuple[str, ...] = True
    identity: IdentitySpec = field(default_factory=IdentitySpec)
    depends_on: tuple[tuple[str, Condition | None], ...] = ()
    """None: ready where the other has a readiness test, else started."""
    start_delay: float = 0.0
    tags: tuple[str, ...] = ()
    namespace: str | None = None
    description: str | None = None
    enabled: bool = True
    on_exit: OnExit = OnExit.NOTHING
    health: HealthSpec | None = None
    limits: LimitsSpec = field(default_factory=LimitsSpec)
    logs: LogSpec = field(default_factory=LogSpec)

    @property
    def one_shot(self) -> bool:
        """Never restarted: it is meant to end."""
        return self.restart.always is False


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorSpec:
    name: str | None = None
    stop_timeout: float | None = None
    """Bound of a whole shutdown; None: the longest of the apps'."""
    log_level: str = "info"
    umask: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All specs of one project."""

    files: tuple[str, ...]
    """The oxfiles, absolute, symlinks kept; the first gives the project its identity."""
    apps: tuple[AppSpec, ...]
    supervisor: SupervisorSpec = field(default_factory=SupervisorSpec)
    warnings: tuple[str, ...] = ()
    """What a careful operator would want to know, such as apps that run as root."""

    def app(self, name: str) -> AppSpec | None:
        """The app of this name, or None."""
        return next((app for app in self.apps if app.name == name), None)

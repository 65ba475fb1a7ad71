"""What is asked of an app: frozen, complete, and the same whatever dialect it was written in.

All times are float seconds, all sizes bytes. Changing a spec makes a new one, so "did it
change?" is `old != new`. Only `${instance}`, `${port}` and, in a command, `${fd}` and
`${fd:NAME}` are still to be replaced in the strings here (command, env values, health endpoint,
log paths, paths of Unix sockets); every other variable is expanded.
"""

from dataclasses import dataclass, field, replace
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
    """When a run counts as up. Of several readiness tests all must pass, the health check too."""

    start: float = 1.0
    """Without a readiness test: up after this long (one-shots: 0)."""
    timeout: float = 60.0
    """How long a start, restart or reload that waits, waits."""
    notify: bool = False
    """It says so itself: `READY=1` (sd_notify)."""
    watchdog: float | None = None
    """With *notify*: seconds within which it must say `WATCHDOG=1` again and again."""
    log_line: str | None = None
    """A regular expression that its output must match."""
    period: float = 60.0
    """Seconds that it has for *notify* and *log_line*; after them the run has failed."""


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
    """How to find out whether a run is well: exactly one of *endpoint*, *command*.

    `notify` and `log_line`, which stand in the same table of the oxfile, are in `ReadySpec`.
    """

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
class ListenSpec:
    """One address that is held: *host* and *port*, or the *path* of a Unix socket."""

    host: str = ""
    """A literal IP address."""
    port: int = 0
    path: str | None = None
    """Absolute; may contain `${instance}`."""
    name: str = ""
    """For `LISTEN_FDNAMES` and `${fd:NAME}`; "" where it has none."""
    dual_stack: bool = False
    """An IPv6 address on which IPv4 clients are served too."""
    backlog: int = 2048
    mode: int = 0o660
    """Of a Unix socket, like its *owner* and *group*."""
    owner: str | None = None
    group: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ReloadManner(StrEnum):
    """How one run is replaced by the next."""

    OVERLAP = auto()  # the newcomer takes over when it is ready; nobody waits
    RESTART = auto()  # stop, then start: never two at once
    SIGNAL = auto()  # it reloads itself


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadSpec:
    manner: ReloadManner | None = None
    """None: overlap where it is sure that nothing goes wrong, else restart."""
    signal: Signals | None = None
    """With the manner SIGNAL."""
    parallel: int = 1
    """Instances that are replaced at the same time."""


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
    listen: tuple[ListenSpec, ...] = ()
    """Addresses that the oxfile has oxtrio hold; known servers may have theirs held without."""
    hold_port: bool = True
    """Whether the address of a known server is held although *listen* is empty."""
    port: int | None = None
    """`${port}` and `$PORT`: of all instances where the address is held, else of the first."""
    reload: ReloadSpec = field(default_factory=ReloadSpec)
    tags: tuple[str, ...] = ()
    namespace: str | None = None
    description: str | None = None
    enabled: bool = True
    on_exit: OnExit = OnExit.NOTHING
    health: HealthSpec | None = None
    limits: LimitsSpec = field(default_factory=LimitsSpec)
    logs: LogSpec = field(default_factory=LogSpec)

    def same_runs(self, other: "AppSpec") -> bool:
        """Whether a run of this is a run of *other*, however many of them there are."""
        return replace(self, instances=1) == replace(other, instances=1)

    @property
    def one_shot(self) -> bool:
        """Never restarted: it is meant to end."""
        return self.restart.always is False

    @property
    def has_readiness_test(self) -> bool:
        """Whether something must pass before it counts as up."""
        ready = self.ready
        tests = (self.health is not None, ready.notify, ready.log_line is not None, self.listen)
        return any(tests)


class OnCrash(StrEnum):
    """What the next supervisor does with what one that died by force has left running."""

    ADOPT = auto()
    KILL = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorSpec:
    name: str | None = None
    stop_timeout: float | None = None
    """Bound of a whole shutdown; None: the longest of the apps'."""
    log_level: str = "info"
    umask: int | None = None
    on_crash: OnCrash = OnCrash.ADOPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All specs of one project."""

    files: tuple[str, ...]
    """The oxfiles, absolute, symlinks kept; the first gives the project its identity."""
    apps: tuple[AppSpec, ...]
    supervisor: SupervisorSpec = field(default_factory=SupervisorSpec)
    warnings: tuple[str, ...] = ()
    """What a careful operator would want to know, such as apps that run as root."""
    stale: str = ""
    """Why this is not what the oxfile says, but what it said when it could last be used."""

    def app(self, name: str) -> AppSpec | None:
        """The app of this name, or None."""
        return next((app for app in self.apps if app.name == name), None)

"""What is: frozen snapshots, as the control API and `status` show them."""

from dataclasses import dataclass

from oxtrio.model.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class LastExit:
    """How the last run of an instance ended."""

    code: int | None
    signal: str | None
    at: str
    """RFC 3339."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceStatus:
    """One row of `status`. No value of an environment variable is ever in it."""

    name: str
    """`api`, or `api:0` where the app has several instances."""
    app: str
    instance: int
    pid: int | None
    """The main process."""
    status: State
    health: str
    """`healthy`, `unhealthy`, `starting`, or `-` without a health check."""
    cpu_percent: float | None
    memory_bytes: int | None
    restarts: int
    """Automatic ones since the last `start`, `restart` or `reset`."""
    uptime_secs: float | None
    started_at: str | None
    exit: LastExit | None
    reason: str
    since: str
    next_at: str | None
    listen: tuple[str, ...]
    """The addresses that oxtrio holds for it."""
    command: str
    config: str
    tags: tuple[str, ...]
    version: str
    """A short hash of the spec that runs."""
    wanted: bool
    """Whether an operator wants it up."""
    enabled: bool
    namespace: str | None = None
    description: str | None = None
    last_health: str | None = None
    """The last answer of its health check."""
    reload: str = "restart"
    """How a reload replaces it: `overlap`, `restart`, or the signal that it is sent."""
    gap: str = ""
    """Why a reload means that clients are refused for a moment; "" where it does not."""
    said: str | None = None
    """What it says of itself (`STATUS=` by sd_notify)."""
    leftover: int = 0
    """Processes of an ended run that are still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, as `events` shows it."""

    seq: int
    at: str
    """RFC 3339, local time with offset."""
    name: str
    """The instance, or "" for the supervisor itself."""
    kind: str
    state: str
    reason: str
    pid: int | None = None

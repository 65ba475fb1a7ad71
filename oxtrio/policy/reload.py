"""How a reload replaces a run: beside it, or in its place; and what that means for clients."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from oxtrio.model.spec import AppSpec, HealthSpec, ListenSpec, ReloadManner
from oxtrio.policy.symptoms import words_of

HERE: Final = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})
ANY_FAMILY: Final = "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """How one run follows the other at a reload."""

    manner: ReloadManner
    gap: str = ""
    """Why clients are refused, or wait, for a moment; "" where they do not."""
    instead: str = ""
    """What to write in the oxfile to remove the gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What is known of the way that clients reach an app."""

    held: tuple[ListenSpec, ...] = ()
    alone: str = ""
    """Why two runs cannot be there side by side."""
    left_alone: str = ""
    """Why the address of a known server is not held."""
    instead: str = ""


def succession_of(spec: AppSpec, reached: Reached) -> Succession:
    """How a reload replaces a run of *spec*.

    Overlap is only ever the default where it is sure that the newcomer itself answered its
    health check, and that two at once do no harm.
    """
    if spec.reload.manner is not None:
        return Succession(manner=spec.reload.manner)
    if not reached.held:
        return _without_address(spec, reached)
    if reached.alone:
        gap = f"clients wait while it restarts, as {reached.alone}"
        return Succession(manner=ReloadManner.RESTART, gap=gap)
    if _proves_itself(spec, reached.held):
        return Succession(manner=ReloadManner.OVERLAP)
    return Succession(
        manner=ReloadManner.RESTART,
        gap="clients wait while it restarts, as its health check does not tell which run answers",
        instead=f'endpoint = "http://{_local(reached.held[0])}/…" under health_check, or '
        'reload = "overlap"',
    )


def _without_address(spec: AppSpec, reached: Reached) -> Succession:
    says_itself = spec.ready.notify or spec.ready.log_line is not None
    alone = spec.health is None or spec.health.endpoint is None
    if reached.left_alone:
        return Succession(
            manner=ReloadManner.RESTART, gap=reached.left_alone, instead=reached.instead
        )
    if says_itself and alone and spec.port is None and not is_only_one(spec):
        return Succession(manner=ReloadManner.OVERLAP)
    if alone and spec.port is None:
        return Succession(manner=ReloadManner.RESTART)  # no client that would notice
    return Succession(
        manner=ReloadManner.RESTART,
        gap="oxtrio does not hold its address",
        instead=_listen_line(spec),
    )


def is_only_one(spec: AppSpec) -> bool:
    """Whether two at once do harm: celery beat would send every task twice."""
    words = [word.rpartition("/")[2] for word in words_of(spec.command)]
    return "celery" in words and ("beat" in words or "-B" in words or "--beat" in words)


def _proves_itself(spec: AppSpec, held: tuple[ListenSpec, ...]) -> bool:
    if spec.ready.notify or spec.ready.log_line is not None:
        return True
    health = spec.health
    return health is None or any(asks_at(health, listen) for listen in held)


def asks_at(health: HealthSpec, listen: ListenSpec) -> bool:
    """Whether the endpoint of *health* is just this address."""
    if health.endpoint is None:
        return False
    parts = urlsplit(health.endpoint)
    if parts.scheme == "unix":
        return parts.path == listen.path
    default = {"http": 80, "https": 443}.get(parts.scheme, 0)
    try:
        return is_at(listen, parts.hostname or "", parts.port or default)
    except ValueError:
        return False


def is_at(listen: ListenSpec, host: str, port: int) -> bool:
    """Whether who asks for *host* and *port* on this machine means this address."""
    if listen.path is not None or listen.port != port:
        return False
    if host == listen.host:
        return True
    reachable = listen.dual_stack or (":" in host) == (":" in listen.host)
    return listen.host in HERE and (host == ANY_FAMILY or (host in HERE and reachable))


def _local(listen: ListenSpec) -> str:
    if listen.path is not None:
        return str(listen)
    host = "localhost" if listen.host in HERE else listen.host
    return f"{host}:{listen.port}"


def _listen_line(spec: AppSpec) -> str:
    port = spec.port
    if port is None and spec.health is not None and spec.health.endpoint is not None:
        try:
            port = urlsplit(spec.health.endpoint).port
        except ValueError:
            port = None
    return f'listen = "127.0.0.1:{port or 8000}", and ${{fd}} in the command where it takes one'

"""What is said by sd_notify: an app to oxtrio, and oxtrio to what started it.

A message is assignments, one to a line. Where one stands there twice the first counts, but of
READY, RELOADING and STOPPING the last does. What is unknown or makes no sense is passed over.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from oxtrio.model.state import State

STATUS_MAX = 200
"""Characters of `STATUS=` that are kept."""

_NEWLINE = re.compile(rb"[\r\n]")
_NUMBER = re.compile(rb"[0-9]{1,20}")
_PHASES = {b"READY": "ready", b"RELOADING": "reloading", b"STOPPING": "stopping"}
_UINT64_MAX = 2**64 - 1
_PID_MAX = 2**22
_ERRNO_MAX = 4095


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What one message says. Of *ready*, *reloading* and *stopping* at most one is true."""

    ready: bool = False
    reloading: bool = False
    stopping: bool = False
    status: str | None = None
    """Printable, at most 200 characters; "" takes back what was said before; None: not said."""
    errno: int | None = None
    main_pid: int | None = None
    """Whoever heeds it makes sure first that this process is one of the run."""
    watchdog: Literal["ping", "trigger"] | None = None
    watchdog_timeout: float | None = None
    """Seconds (`WATCHDOG_USEC`) that count from now on; 0: no watchdog any more."""
    extend_timeout: float | None = None
    """Seconds (`EXTEND_TIMEOUT_USEC`)."""
    fdstore: bool = False
    """It wants file descriptors to be kept, which oxtrio does not."""
    barrier: bool = False
    """It waits until all that was said before has been read; that needs no answer here."""


def parse_notice(datagram: bytes) -> Notice:
    """What *datagram* says. No bytes make this raise."""
    first: dict[bytes, bytes] = {}
    phase: dict[str, bool] = {}
    # As for a reader in C the text ends at the first zero byte.
    for line in _NEWLINE.split(datagram.split(b"\0", 1)[0]):
        key, equals, value = line.partition(b"=")
        if not equals:
            continue
        first.setdefault(key, value)
        if key in _PHASES and value == b"1":
            phase = {_PHASES[key]: True}
    if first.get(b"BARRIER") == b"1":
        # It has to stand alone; with anything beside it the whole message counts for nothing else.
        return Notice(barrier=True)
    return Notice(
        **phase,
        status=_status(first.get(b"STATUS")),
        errno=_number(first, b"ERRNO", 0, _ERRNO_MAX),
        main_pid=_number(first, b"MAINPID", 1, _PID_MAX),
        watchdog=_watchdog(first.get(b"WATCHDOG")),
        watchdog_timeout=_seconds(first, b"WATCHDOG_USEC"),
        extend_timeout=_seconds(first, b"EXTEND_TIMEOUT_USEC"),
        fdstore=first.get(b"FDSTORE") == b"1",
    )


def summary(states: Iterable[State]) -> str:
    """`3 running, 1 backoff`: how many instances are in which state, the most common first."""
    counts = Counter(states)
    # Of equal numbers the better news comes first.
    shown = sorted(counts, key=lambda state: (-counts[state], state is not State.RUNNING, state))
    return ", ".join(f"{counts[state]} {state}" for state in shown) or "no apps"


def ping_interval(environ: Mapping[str, str], pid: int) -> float | None:
    """Seconds between two `WATCHDOG=1` of the process *pid*; None: nobody waits for them."""
    said = {b"": environ.get("WATCHDOG_USEC", "").encode(errors="replace")}
    micros = _number(said, b"", 1, _UINT64_MAX)
    if micros is None or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return micros / 2_000_000


def _number(said: Mapping[bytes, bytes], key: bytes, least: int, most: int) -> int | None:
    value = said.get(key, b"")
    if not _NUMBER.fullmatch(value) or not least <= int(value) <= most:
        return None
    return int(value)


def _seconds(said: Mapping[bytes, bytes], key: bytes) -> float | None:
    micros = _number(said, key, 0, _UINT64_MAX)
    return None if micros is None else micros / 1_000_000


def _watchdog(value: bytes | None) -> Literal["ping", "trigger"] | None:
    if value == b"1":
        return "ping"
    return "trigger" if value == b"trigger" else None


def _status(value: bytes | None) -> str | None:
    if value is None:
        return None
    # A character has up to four bytes; what is behind the last one that is shown costs nothing.
    text = value[: STATUS_MAX * 8].decode(errors="replace")
    plain = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return plain if len(plain) <= STATUS_MAX else plain[: STATUS_MAX - 1] + "…"

"""Whether a run is ready, well or unwell, from the answers of its health check."""

from dataclasses import dataclass, replace

from oxtrio.model.health import Answer
from oxtrio.model.spec import HealthSpec, OnUnhealthy

EARLY = 0.1
"""Seconds after the first failed probe; doubled until probes come once a second."""
SPREAD = 0.1
"""The greatest part of an interval by which jitter shortens it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRecord:
    """What the answers so far have shown of one run."""

    ready: bool = False
    """It passed `healthy_threshold` times in a row once."""
    unwell: bool = False
    passed: bool = False
    """It passed at least once."""
    passes: int = 0
    """In a row, up to now."""
    failures: int = 0
    """In a row, up to now."""
    last: Answer | None = None


@dataclass(frozen=True, slots=True)
class BecameReady:
    """It passed for the first time as often as was asked."""


@dataclass(frozen=True, slots=True)
class NeverReady:
    """It had its time to become ready, and did not: the run counts as failed."""

    why: str


@dataclass(frozen=True, slots=True)
class Unwell:
    """It was ready, and failed too often in a row."""

    why: str


@dataclass(frozen=True, slots=True)
class Well:
    """It was unwell, and passed again as often as was asked."""


Verdict = BecameReady | NeverReady | Unwell | Well


def after_probe(
    spec: HealthSpec, record: HealthRecord, answer: Answer, now_since_spawn: float
) -> tuple[HealthRecord, Verdict | None]:
    """What *answer*, given so many seconds after the spawn, changes; most change nothing."""
    if answer.ok:
        return _after_pass(spec, _counting_pass(record, answer))
    return _after_failure(spec, _counting_failure(record, answer), now_since_spawn)


def next_probe_in(spec: HealthSpec, record: HealthRecord, jitter: float = 0.0) -> float:
    """Seconds from one answer to the next probe.

    Until it is ready at least once a second, soon after the start more often, so that
    readiness is noticed early. *jitter* (0 to 1, one for each run) keeps many checks apart;
    it only ever shortens.
    """
    wait = spec.interval
    if not record.ready:
        wait = min(wait, 1.0)
    if not record.passed and record.failures:
        wait = min(wait, EARLY * 2.0 ** min(record.failures - 1, 10))
    return wait * (1 - SPREAD * jitter)


def _counting_pass(record: HealthRecord, answer: Answer) -> HealthRecord:
    return replace(record, passed=True, passes=record.passes + 1, failures=0, last=answer)


def _counting_failure(record: HealthRecord, answer: Answer) -> HealthRecord:
    return replace(record, passes=0, failures=record.failures + 1, last=answer)


def _after_pass(spec: HealthSpec, record: HealthRecord) -> tuple[HealthRecord, Verdict | None]:
    if record.passes < spec.healthy_threshold:
        return record, None
    if not record.ready:
        return replace(record, ready=True), BecameReady()
    if record.unwell and spec.on_unhealthy is OnUnhealthy.NOTHING:
        return replace(record, unwell=False), Well()
    return record, None


def _after_failure(
    spec: HealthSpec, record: HealthRecord, now_since_spawn: float
) -> tuple[HealthRecord, Verdict | None]:
    if not record.passed:
        patience_ends = spec.initial_delay + spec.start_period
        if now_since_spawn < patience_ends:
            return record, None
        return record, NeverReady(
            f"health check did not pass within {patience_ends:g} s: {record.last}"
        )
    if record.unwell or record.failures < spec.unhealthy_threshold:
        return record, None
    why = f"{_times(record.failures)} failed: {record.last}"
    if not record.ready:
        return record, NeverReady(why)
    return replace(record, unwell=True), Unwell(why)


def _times(failures: int) -> str:
    return "health check" if failures == 1 else f"{failures} health checks in a row"

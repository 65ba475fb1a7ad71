"""When a run uses more than it may."""

import pytest

from oxtrio.model.spec import LimitsSpec
from oxtrio.model.usage import Usage
from oxtrio.policy.limits import MARKS, LimitRecord, after_sample, has_limit, percent

MB = 1024 * 1024


def using(*, memory: int = 0, cpu: float = 0.0) -> Usage:
    return Usage(memory=memory, cpu_seconds=cpu, processes=1)


def first_breach(spec: LimitsSpec, load: float, *, seconds: int) -> tuple[float, str] | None:
    """When *load* (cores) first exceeds *spec*, sampled every 2 s."""
    record = LimitRecord()
    for now in range(0, seconds, 2):
        record, why = after_sample(spec, record, using(cpu=now * load), now)
        if why:
            return now, why
    return None


@pytest.mark.parametrize(
    ("memory", "why"),
    [
        (511 * MB, None),
        (512 * MB, None),
        (612 * MB, "memory 612 MB > 512 MB"),
        (512 * MB + 300_000, "memory 512.29 MB > 512.00 MB"),
    ],
)
def test_memory_counts_at_once(memory: int, why: str | None):
    spec = LimitsSpec(memory=512 * MB)

    assert after_sample(spec, LimitRecord(), using(memory=memory), 0)[1] == why


def test_cpu_counts_as_the_mean_of_a_full_window():
    spec = LimitsSpec(cpu_percent=80, cpu_window=60)

    assert first_breach(spec, 0.9, seconds=300) == (60, "cpu 90 % > 80 % over 60 s")


def test_cpu_at_the_limit_is_allowed():
    assert first_breach(LimitsSpec(cpu_percent=100), 1.0, seconds=300) is None


def test_a_burst_that_the_window_evens_out_is_allowed():
    spec = LimitsSpec(cpu_percent=80, cpu_window=60)
    record, breaches = LimitRecord(), []

    for now in range(0, 200, 2):
        used = min(max(now - 70, 0), 40)  # one core from 70 to 110 s
        record, why = after_sample(spec, record, using(cpu=used), now)
        breaches.append(why)

    assert not any(breaches)


def test_an_old_burst_is_forgotten():
    spec = LimitsSpec(cpu_percent=50, cpu_window=10)
    record, breaches = LimitRecord(), []

    for now in range(0, 100, 2):
        record, why = after_sample(spec, record, using(cpu=min(now, 8)), now)
        breaches.append(why is not None)

    assert breaches[5] is True  # 8 s of 10
    assert not any(breaches[10:])


def test_a_long_window_keeps_few_marks():
    spec, record = LimitsSpec(cpu_percent=50, cpu_window=3600), LimitRecord()

    for now in range(0, 20_000, 2):
        record, _ = after_sample(spec, record, using(), now)

    assert len(record.marks) <= MARKS + 2
    assert record.marks[-1].at - record.marks[0].at >= 3600 - 3600 / MARKS


@pytest.mark.parametrize(
    ("spec", "limited"),
    [
        (LimitsSpec(), False),
        (LimitsSpec(memory=1), True),
        (LimitsSpec(cpu_percent=1), True),
    ],
)
def test_only_a_limit_has_to_be_watched(spec: LimitsSpec, limited: bool):
    assert has_limit(spec) is limited


def test_without_a_limit_nothing_is_too_much():
    usage = using(memory=2**50, cpu=1e9)

    assert after_sample(LimitsSpec(), LimitRecord(), usage, 1e6) == (LimitRecord(), None)


@pytest.mark.parametrize(
    ("before", "now", "elapsed", "share"),
    [(0, 2, 2, 100), (10, 10.5, 2, 25), (5, 5, 0, 0), (5, 4, 2, 0), (0, 8, 2, 400)],
)
def test_percent_of_one_core(before: float, now: float, elapsed: float, share: float):
    assert percent(using(cpu=before), using(cpu=now), elapsed) == share

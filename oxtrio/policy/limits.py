"""Whether a run uses more than it may."""

from dataclasses import dataclass

from oxtrio.model.spec import LimitsSpec
from oxtrio.model.usage import Usage
from oxtrio.policy.quantities import exceeding

MARKS = 30
"""About as many CPU marks are kept for a window, however long it is."""


@dataclass(frozen=True, slots=True)
class CpuMark:
    """The CPU seconds that had been used at one time."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class LimitRecord:
    """What earlier samples have shown of one run: its CPU marks, oldest first."""

    marks: tuple[CpuMark, ...] = ()


def has_limit(spec: LimitsSpec) -> bool:
    """Whether anything has to be watched at all."""
    return spec.memory is not None or spec.cpu_percent is not None


def after_sample(
    spec: LimitsSpec, record: LimitRecord, usage: Usage, now: float
) -> tuple[LimitRecord, str | None]:
    """What *usage* shows, and which limit it exceeds: `memory 612 MB > 512 MB`.

    Memory counts at once, CPU as the mean of a full window.
    """
    if spec.memory is not None and usage.memory > spec.memory:
        return record, f"memory {exceeding(usage.memory, spec.memory)}"
    if spec.cpu_percent is None:
        return record, None
    record = _marked(record, CpuMark(now, usage.cpu_seconds), spec.cpu_window)
    return record, _cpu_breach(spec, spec.cpu_percent, record, CpuMark(now, usage.cpu_seconds))


def percent(previous: Usage, current: Usage, elapsed: float) -> float:
    """The CPU that was used between two looks; 100 is one core."""
    if elapsed <= 0:
        return 0.0
    return max(0.0, current.cpu_seconds - previous.cpu_seconds) / elapsed * 100


def _marked(record: LimitRecord, mark: CpuMark, window: float) -> LimitRecord:
    """*record* with *mark*, and with nothing that is older than a full window needs."""
    marks = record.marks
    if not marks or mark.at - marks[-1].at >= window / MARKS:
        marks = (*marks, mark)
    while len(marks) > 1 and marks[1].at <= mark.at - window:
        marks = marks[1:]
    return LimitRecord(marks)


def _cpu_breach(spec: LimitsSpec, limit: float, record: LimitRecord, now: CpuMark) -> str | None:
    first = record.marks[0]
    elapsed = now.at - first.at
    if elapsed < spec.cpu_window or elapsed <= 0:
        return None
    mean = (now.seconds - first.seconds) / elapsed * 100
    if mean <= limit:
        return None
    return f"cpu {mean:.3g} % > {limit:g} % over {spec.cpu_window:g} s"

"""What a run uses of the machine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One look at all processes of a run."""

    memory: int
    """Bytes: the RSS sum, or the PSS sum where that was asked for."""
    cpu_seconds: float
    """Of all processes that the run has ever had, as far as they were seen. It never falls."""
    processes: int
    cpu_percent: float | None = None
    """100 is one core, over the time since the look before; None at the first look."""

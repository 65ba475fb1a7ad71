"""Measured values: many samples of one thing, and how they are written."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Value:
    """A number and its unit, which is written behind it."""

    number: float
    unit: str

    def __str__(self) -> str:
        return f"{_digits(self.number)} {self.unit}".rstrip()

    def ratio(self, beside: "Value") -> str:
        """How many times *beside* this is; "-" where that says nothing."""
        if not beside.number or self.unit != beside.unit:
            return "-"
        return f"{_digits(self.number / beside.number, 2)}×"


def median(seconds: Sequence[float]) -> Value:
    return duration(statistics.median(seconds))


def percentile(seconds: Sequence[float], percent: float) -> Value:
    """The smallest sample that *percent* of all do not exceed."""
    rank = max(1, math.ceil(len(seconds) * percent / 100))
    return duration(sorted(seconds)[rank - 1])


def duration(seconds: float) -> Value:
    """Always in milliseconds, so that all values of a table compare."""
    return Value(seconds * 1000, "ms")


def middle(values: Sequence[Value]) -> Value:
    """The median of several rounds."""
    return Value(statistics.median(each.number for each in values), values[0].unit)


def _digits(number: float, significant: int = 3) -> str:
    """Three digits are more than two runs agree on."""
    number = round(number, 6)  # the difference of two clocks is 9.999999999
    if number == int(number) and abs(number) < 1000:
        return f"{number:.0f}"
    before = math.floor(math.log10(abs(number))) + 1
    return f"{number:,.{max(0, significant - before)}f}"

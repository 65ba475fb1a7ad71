"""What became of requests: of all, or of those that ended in a stretch of time."""

import json
import math
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

OK, RACED, DROPPED = "ok", "raced close", "dropped idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Times in seconds. `failed` has no kind of which there was none."""

    seconds: float
    ok: int
    failed: dict[str, int] = field(default_factory=dict)
    raced_close: int = 0
    """Requests on a kept connection that got no byte of an answer before it was closed: HTTP
    lets a server close a connection that is idle, and this request may have crossed that."""
    dropped_idle: int = 0
    """Kept connections that were closed while no request was under way: nothing was lost."""
    p50: float = math.nan
    p99: float = math.nan
    longest: float = math.nan
    """The slowest right answer."""
    gap: float
    """The longest time without a right answer."""
    answered_by: dict[str, int] = field(default_factory=dict)
    """Right answers by `release/pid`."""

    @property
    def failures(self) -> int:
        return sum(self.failed.values())

    @property
    def releases(self) -> dict[str, int]:
        """Right answers by release."""
        found: Counter[str] = Counter()
        for name, count in self.answered_by.items():
            found[name.rpartition("/")[0]] += count
        return dict(found)

    @property
    def rate(self) -> float:
        """Right answers per second."""
        return self.ok / self.seconds if self.seconds else math.nan

    def as_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Every request in the order in which they ended; moments are of the monotonic clock."""

    began: float
    ended: float
    """When no request was begun any more; what was under way then counts as well."""
    connections: int
    first: dict[str, str]
    """Of each kind that is not ok the first, in words."""
    at: Sequence[float]
    took: Sequence[float]
    kinds: Sequence[str]
    kind: Sequence[int]
    no_failure: frozenset[str]
    names: Sequence[str]
    who: Sequence[int]

    @property
    def whole(self) -> Outcome:
        last = self.at[-1] if self.at else self.ended
        return self._outcome(range(len(self.at)), self.began, max(self.ended, last))

    def between(self, began: float, ended: float) -> Outcome:
        """Of what ended in that time, gaps at its edges included."""
        chosen = range(bisect_left(self.at, began), bisect_left(self.at, ended))
        return self._outcome(chosen, began, ended)

    def longest_without(self, release: str, began: float, ended: float) -> float:
        """The longest time in which *release* gave no right answer."""
        names = {at for at, name in enumerate(self.names) if name.rpartition("/")[0] == release}
        chosen = range(bisect_left(self.at, began), bisect_left(self.at, ended))
        moments = [self.at[index] for index in chosen if self.who[index] in names]
        return _gap([began, *moments, ended])

    def first_ok(self, after: float) -> float:
        """When the first request was answered that began after that moment; NaN if none was."""
        for index in range(bisect_left(self.at, after), len(self.at)):
            if self.kinds[self.kind[index]] == OK and self.at[index] - self.took[index] > after:
                return self.at[index]
        return math.nan

    def _outcome(self, chosen: range, began: float, ended: float) -> Outcome:
        counts = Counter(self.kinds[self.kind[index]] for index in chosen)
        right = [index for index in chosen if self.kinds[self.kind[index]] == OK]
        took = sorted(self.took[index] for index in right)
        moments = [began, *(self.at[index] for index in right), ended]
        return Outcome(
            seconds=ended - began,
            ok=len(right),
            failed={kind: n for kind, n in counts.items() if kind not in self.no_failure},
            raced_close=counts[RACED],
            dropped_idle=counts[DROPPED],
            **_percentiles(took),
            gap=_gap(moments),
            answered_by=dict(Counter(self.names[self.who[index]] for index in right)),
        )


def read(written: bytes) -> Record:
    """What the client has written at its end."""
    line, _, rest = written.partition(b"\n")
    head = json.loads(line)
    columns: list[Any] = []
    for code in "ddbh":
        column = array(code)
        size = head["count"] * column.itemsize
        column.frombytes(rest[:size])
        rest = rest[size:]
        columns.append(column)
    at, took, kind, who = columns
    return Record(
        began=head["began"],
        ended=head["ended"],
        connections=head["connections"],
        first=head["first"],
        at=at,
        took=took,
        kinds=head["kinds"],
        kind=kind,
        no_failure=frozenset([OK, *head["no_failure"]]),
        names=head["names"],
        who=who,
    )


def _gap(moments: Sequence[float]) -> float:
    return max(after - before for before, after in pairwise(moments))


def _percentiles(took: Sequence[float]) -> dict[str, float]:
    """Of durations in order."""
    if not took:
        return {}
    return {
        "p50": took[math.ceil(len(took) * 0.50) - 1],
        "p99": took[math.ceil(len(took) * 0.99) - 1],
        "longest": took[-1],
    }

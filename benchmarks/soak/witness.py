"""What must be true, whatever happens: looked at all the time, and once more at the end."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks.failure import Failed
from benchmarks.soak.ledger import Ledger
from benchmarks.soak.stack import Log, Stack
from benchmarks.soak.trail import Trail
from benchmarks.soak.writer import Tally

MOST = 50
"""Complaints that are kept; they repeat themselves."""
LAST_LINES = 20.0
"""Seconds in which the last lines come into a log."""


class Complaints:
    """What was wrong and when, with what was done just before it."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.found: list[str] = []
        self.all: list[str] = []
        """Every act."""
        self.acts: deque[str] = deque(maxlen=6)

    def act(self, text: str) -> None:
        self.acts.append(f"{self._now()} {text}")
        self.all.append(self.acts[-1])

    def wrong(self, text: str) -> None:
        self.all.append(f"{self._now()} WRONG: {text}")
        if len(self.found) < MOST:
            self.found.append(f"{self._now()} {text} (after: {'; '.join(self.acts)})")

    def _now(self) -> str:
        return f"{time.monotonic() - self.began:.2f} s"


class Lines:
    """Numbered lines of one log, from its writers to its files."""

    def __init__(self, log: Log, tallies: Path, unheld: "Unheld") -> None:
        self.log = log
        self.ledger = Ledger(self._counts, log.may_skip, self._excuse)
        self._unheld = unheld
        self._trail = Trail(log.path)
        self._tallies = tallies
        self._known: dict[str, Tally] = {}

    @property
    def written(self) -> int:
        return sum(t.of(run)[1] for t in self._all().values() for run in range(t.runs))

    @property
    def found(self) -> int:
        return sum(course.found for course in self.ledger.courses.values())

    def look(self) -> Iterator[str]:
        """What is wrong with what was added. Raises `Failed`."""
        for line in self._trail.lines():
            for wrong in self.ledger.take(line):
                yield f"{self.log.path.name}: {wrong}"

    def is_complete(self) -> bool:
        """Whether all lines of all runs are there, but for those that are known to be missing."""
        missing = sum(course.missing for course in self.ledger.courses.values())
        return self.found + missing >= self.written

    def finish(self) -> Iterator[str]:
        """What is wrong when all writers have ended."""
        if rest := self._trail.rest():
            yield from self.ledger.take(rest)
        for who, tally in self._all().items():
            yield from self.ledger.finish(who, tally.runs)

    def _all(self) -> dict[str, Tally]:
        for path in self._tallies.glob(f"{self.log.app}:*/{self.log.stream}"):
            self._tally(f"{path.parent.name}/{path.name}")
        return self._known

    def _tally(self, who: str) -> Tally:
        if who not in self._known:
            self._known[who] = Tally(self._tallies / who)
        return self._known[who]

    def _counts(self, who: str, run: int) -> tuple[int, int]:
        return self._tally(who).of(run)

    def _excuse(self, who: str, run: int) -> bool:
        return self._unheld(self._tally(who).last(run))


Unheld = Callable[[float], bool]
"""Whether neither a keeper nor a supervisor held the pipes at that moment, or just after it."""


class Witness:
    """Looks at the logs and at what oxtrio keeps on disk."""

    def __init__(self, stack: Stack, home: Path, complaints: Complaints, unheld: Unheld) -> None:
        self.lines = [Lines(log, stack.tallies, unheld) for log in stack.logs()]
        self.state_looks = self.events = 0
        self._home = home
        self._complaints = complaints
        self._events: Trail | None = None

    def look(self) -> None:
        """Everything that can be looked at while all goes on."""
        for lines in self.lines:
            self._note(lines.look())
        self._look_at_state()
        self._note(self._look_at_events())

    def finish(self) -> None:
        """Everything that holds when all is stopped."""
        deadline = time.monotonic() + LAST_LINES
        while time.monotonic() < deadline:
            self.look()
            if all(each.is_complete() or each.log.may_skip for each in self.lines):
                break
            time.sleep(0.1)
        for lines in self.lines:
            self._note(lines.finish())
        for path in self._home.glob("state/*/supervisor.log"):
            said = path.read_text(errors="replace")
            if "Traceback" in said:
                self._complaints.wrong(
                    f"in supervisor.log: {said[said.index('Traceback') :][:2000]}"
                )

    def _look_at_state(self) -> None:
        for path in [*self._home.glob("state/*/state.json"), *self._home.glob("run/*/runs/*.json")]:
            with suppress(FileNotFoundError):
                text = path.read_text()
                self.state_looks += 1
                try:
                    json.loads(text)
                except ValueError:
                    self._complaints.wrong(f"{path.name} is not whole: {text[:200]!r}")

    def _look_at_events(self) -> Iterator[str]:
        if self._events is None:
            for path in self._home.glob("state/*/events.ndjson"):
                self._events = Trail(path)
        for line in self._events.lines() if self._events else ():
            self.events += 1
            event = json.loads(line)
            if event["kind"] == "internal-error":
                yield f"an internal error: {event}"

    def _note(self, wrongs: Iterator[str]) -> None:
        try:
            for wrong in wrongs:
                self._complaints.wrong(wrong)
        except (Failed, ValueError) as error:
            self._complaints.wrong(str(error))

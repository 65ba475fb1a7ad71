"""Following on, when the supervisor that was followed is another one in a moment."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from oxtrio.cli.target import Target
from oxtrio.errors import DaemonUnreachable, NotRunning, ProtocolError
from oxtrio.model.log import LogLine, LogQuery

if TYPE_CHECKING:
    from oxtrio.control.client import Client

T = TypeVar("T")

OVERLAP = 1.0
"""Seconds that are asked for again, as files know the time of a line less exactly than we."""
SLACK = 0.1
"""Seconds by which they are less exact."""
REMEMBERED = 100_000
"""Lines of those seconds that are compared."""


def followed(target: Target, ask: Callable[[Client], Iterator[T]]) -> Iterator[T]:
    """What *ask* gives, and goes on to give when it is asked again after a crash or an upgrade.

    Ends with the supervisor. Raises `NotRunning` where there is none at first.
    """
    with target.client() as client:
        yield from _until_it_ends(ask(client))
    while target.comes_back():
        with suppress(NotRunning), target.client() as client:
            yield from _until_it_ends(ask(client))


def _until_it_ends(found: Iterator[T]) -> Iterator[T]:
    try:
        yield from found
    except DaemonUnreachable:
        raise
    except (NotRunning, ProtocolError):
        return  # it broke off: perhaps another one goes on


class Following:
    """Lines of output, each once, from one supervisor after the other."""

    def __init__(self, query: LogQuery) -> None:
        self._query = query
        self._recent: deque[LogLine] = deque(maxlen=REMEMBERED)
        self._known: Counter[tuple[str, int, str, bytes]] = Counter()
        self._begun: float | None = None
        """Wall time from which on lines are wanted: that of the first one, or of the question."""

    def next_query(self) -> LogQuery:
        """What to ask for: at first what is wanted, then what comes after that."""
        if self._begun is None:
            self._begun = time.time()
            return self._query
        since = self._begun
        if self._recent:
            # Nothing before the first one, which nobody has asked for.
            since = max(self._recent[-1].at - OVERLAP, self._begun - SLACK)
        recent = (line for line in self._recent if line.at >= since - SLACK)
        self._known = Counter(map(_key, recent))
        return replace(self._query, lines=None, since=since)

    def is_new(self, line: LogLine) -> bool:
        """Whether *line* is wanted and was not there before; it is from now on."""
        key = _key(line)
        if self._known.get(key):
            self._known[key] -= 1
            if not self._known[key]:
                del self._known[key]
            return False
        if not self._recent:
            self._begun = line.at
        elif self._known and self._begun is not None and line.at < self._begun:
            return False
        self._recent.append(line)
        return True


def _key(line: LogLine) -> tuple[str, int, str, bytes]:
    return line.app, line.instance, line.stream, line.data

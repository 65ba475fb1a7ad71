"""Which lines a query asks for."""

from collections import defaultdict

from oxtrio.errors import UsageError
from oxtrio.logs.pattern import Pattern
from oxtrio.model.log import LogLine, LogQuery, Stream
from oxtrio.policy.level import LEVELS, at_least, is_continuation, level_of, named_level

_Writer = tuple[str, int, Stream]


class Sieve:
    """Lets through what *query* asks for, of *instances* (None: all).

    For one reader: its lines must come in their order, or all in the opposite one, as those of
    a traceback are as serious as the line that they follow. *hurried*: everybody else waits
    meanwhile. Raises UsageError for a regular expression or level that is none, and, later on,
    for one that takes too long to be looked for.
    """

    def __init__(
        self, query: LogQuery, instances: frozenset[int] | None, *, hurried: bool = False
    ) -> None:
        self.since = query.since
        self.until = query.until
        self.stream = query.stream
        self.instances = instances
        self._pattern = Pattern(query.grep, hurried=hurried) if query.grep is not None else None
        self._wanted = level_wanted(query.level) if query.level is not None else None
        self._level: dict[_Writer, str | None] = {}
        self._undecided: defaultdict[_Writer, int] = defaultdict(int)

    def passes(self, line: LogLine) -> bool:
        """Whether *line* is asked for; it comes after those that were asked about before."""
        fits = self._fits(line)
        if self._wanted is None:
            return fits
        writer = (line.app, line.instance, line.stream)
        level = level_of(line.data)
        if level is None and is_continuation(line.data):
            level = self._level.get(writer)
        self._level[writer] = level
        return fits and at_least(level, self._wanted)

    def passes_backward(self, line: LogLine) -> int:
        """How many lines *line* decides about that are asked for; it comes before the others."""
        fits = int(self._fits(line))
        if self._wanted is None:
            return fits
        writer = (line.app, line.instance, line.stream)
        level = level_of(line.data)
        if level is None and is_continuation(line.data):
            self._undecided[writer] += fits
            return 0
        count = self._undecided.pop(writer, 0) + fits
        return count if at_least(level, self._wanted) else 0

    def _fits(self, line: LogLine) -> bool:
        return (
            (self.since is None or line.at >= self.since)
            and (self.until is None or line.at <= self.until)
            and (self.stream is None or line.stream is self.stream)
            and (self.instances is None or line.instance in self.instances)
            and (self._pattern is None or self._pattern.is_in(line.data))
        )


def level_wanted(word: str) -> str:
    """The level that *word* means. Raises UsageError."""
    level = named_level(word)
    if level is None:
        raise UsageError(f"no such level: {word!r}", hint=f"--level takes {', '.join(LEVELS)}")
    return level

"""Searching logs: what is asked for, of several apps, in the order of time."""

import heapq
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from operator import attrgetter

from oxtrio.logs.reader import RecentReader, TrackReader
from oxtrio.logs.sieve import Sieve
from oxtrio.logs.tracks import LogOf
from oxtrio.model.log import LogLine, LogQuery

Reader = TrackReader | RecentReader


def search(query: LogQuery, logs: Sequence[LogOf]) -> Iterator[LogLine]:
    """The lines of *logs* that *query* asks for, merged by time, the oldest first.

    Blocks on files: run it in a thread. Memory stays small, whatever is searched and found.
    The last lines are found from the end of the files. Files may be rotated meanwhile. Raises
    UsageError at once for a regular expression or level that is none.
    """
    Sieve(query, None)
    return _found(query, logs)


def _found(query: LogQuery, logs: Sequence[LogOf]) -> Iterator[LogLine]:
    with ExitStack() as stack:
        readers = [
            stack.enter_context(closing(reader)) for log in logs for reader in _readers(query, log)
        ]
        early = 0 if query.lines is None else _begin_at_last(readers, query.lines)
        found = heapq.merge(*(each.forward() for each in readers), key=attrgetter("at"))
        yield from islice(found, early, None)


def _readers(query: LogQuery, log: LogOf) -> Iterator[Reader]:
    for track in log.tracks:
        instance, stream = track.route.instance, track.route.stream
        asked = log.instances is None or instance is None or instance in log.instances
        if asked and (query.stream is None or stream in (None, query.stream)):
            yield TrackReader(log.app, track, Sieve(query, log.instances))
    if log.recent:
        yield RecentReader(log.recent, Sieve(query, log.instances))


def _begin_at_last(readers: Sequence[Reader], count: int) -> int:
    """Let *readers* begin where the last *count* lines begin; how many come before these.

    More may come where lines belong together.
    """
    for reader in readers:
        reader.begin(None)
    found = 0
    if count > 0:
        steps = (reader.backward() for reader in readers)
        for step in heapq.merge(*steps, key=attrgetter("at"), reverse=True):
            step.reader.begin(step.place)
            found += step.lines
            if found >= count:
                break
    return max(0, found - count)

"""The lines that `logs` asks for: history from the files, then what comes, without a seam."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from itertools import islice

from oxtrio.logs.lines import LineAssembler
from oxtrio.logs.search import search
from oxtrio.logs.sieve import Sieve
from oxtrio.logs.store import LogStore
from oxtrio.model.log import Chunk, LogLine, LogQuery, Skipped
from oxtrio.model.spec import AppSpec
from oxtrio.supervisor.app import App
from oxtrio.supervisor.selection import select
from oxtrio.system.threads import in_thread

BATCH = 256
"""Lines that one trip into a thread brings back."""

Lines = AsyncIterator[LogLine | Skipped]


@asynccontextmanager
async def following(
    logs: LogStore, apps: Mapping[str, App], query: LogQuery
) -> AsyncIterator[Lines]:
    """The lines of *query*. Raises `NotFound` and `UsageError` on entering.

    A reader that falls behind gets a `Skipped` as the last item. Leaving ends the search.
    """
    with logs.follow(_wanted(apps, query.names)) as (history, live):
        found = search(query, history)  # raises at once for a wrong expression
        async with aclosing(_lines(found, live, query)) as lines:
            yield lines


def _wanted(
    apps: Mapping[str, App], names: Sequence[str]
) -> list[tuple[AppSpec, frozenset[int] | None]]:
    chosen: dict[str, set[int]] = {}
    instances = select(apps, names) if names else [i for a in apps.values() for i in a.instances]
    for instance in instances:
        chosen.setdefault(instance.spec.name, set()).add(instance.number)
    return [
        (apps[name].spec, None if len(only) == len(apps[name].instances) else frozenset(only))
        for name, only in chosen.items()
    ]


async def _lines(
    found: Iterator[LogLine],
    live: AsyncIterator[Chunk | Skipped],
    query: LogQuery,
) -> AsyncGenerator[LogLine | Skipped, None]:
    while batch := await in_thread(_take, found):
        for line in batch:
            yield line
    if not query.follow:
        return
    assembler = LineAssembler()
    sieve = Sieve(query, None, hurried=True)
    async for chunk in live:
        if isinstance(chunk, Skipped):
            yield chunk
            return
        for line in assembler.add(chunk):
            if sieve.passes(line):
                yield line


def _take(found: Iterator[LogLine]) -> list[LogLine]:
    return list(islice(found, BATCH))

"""Who follows the logs may leave at any moment, and leaves nothing behind."""

import gc
import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from oxtrio.errors import NotFound, UsageError
from oxtrio.logs.sink import Sink
from oxtrio.logs.store import LogStore
from oxtrio.model.log import LogQuery, Skipped
from oxtrio.supervisor.following import BATCH, Lines, following
from tests.logs.writing import NOON, OUT, a_store, an_app

API = an_app("api")
APPS: dict = {
    "api": SimpleNamespace(name="api", spec=API, instances=[SimpleNamespace(spec=API, number=0)])
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LogStore]:
    async with a_store(tmp_path) as store:
        yield store


@pytest.fixture
def sink(store: LogStore) -> Sink:
    return store.sink(API, 0, OUT)


async def take(lines: Lines, count: int) -> list[bytes]:
    taken: list[bytes] = []
    async for line in lines:
        assert not isinstance(line, Skipped)
        taken.append(line.data)
        if len(taken) == count:
            break
    return taken


async def test_history_goes_over_into_what_comes_without_a_seam(store: LogStore, sink: Sink):
    sink.write(b"one\ntw", NOON)

    async with following(store, APPS, LogQuery(follow=True)) as lines:
        sink.write(b"o\nthree\n", NOON)
        assert await take(lines, 3) == [b"one", b"two", b"three"]


async def test_without_follow_history_is_all(store: LogStore, sink: Sink):
    sink.write(b"one\ntwo\n", NOON)

    async with following(store, APPS, LogQuery(grep="w")) as lines:
        assert await take(lines, 9) == [b"two"]


@pytest.mark.parametrize("follow", [True, False])
async def test_who_leaves_in_the_middle_leaves_nothing_for_the_garbage_collector(
    store: LogStore, sink: Sink, follow: bool
):
    sink.write(b"".join(b"%d\n" % number for number in range(2 * BATCH)), NOON)
    query = LogQuery(lines=None, follow=follow)
    before = len(os.listdir("/proc/self/fd"))

    async with following(store, APPS, query) as lines:
        assert await take(lines, 3) == [b"0", b"1", b"2"]
        assert len(store.hub.followers) == 1

    with pytest.raises(StopAsyncIteration):
        await anext(lines)
    assert store.hub.followers == []
    assert len(os.listdir("/proc/self/fd")) == before
    # Trio would warn of a generator that it had to close itself: an error in these tests.
    del lines
    gc.collect()
    await trio.testing.wait_all_tasks_blocked()


async def test_who_is_cancelled_while_waiting_leaves_nothing_either(store: LogStore, sink: Sink):
    sink.write(b"one\n", NOON)
    with trio.CancelScope() as scope:
        async with following(store, APPS, LogQuery(follow=True)) as lines:
            assert await take(lines, 1) == [b"one"]
            scope.cancel()
            await anext(lines)

    assert scope.cancelled_caught
    assert store.hub.followers == []
    with pytest.raises(StopAsyncIteration):
        await anext(lines)


@pytest.mark.parametrize(
    ("query", "error"), [(LogQuery(names=("x",)), NotFound), (LogQuery(grep="("), UsageError)]
)
async def test_what_cannot_be_asked_is_said_on_entering(store: LogStore, query, error):
    with pytest.raises(error):
        async with following(store, APPS, query):
            raise AssertionError("it was let in")

    assert store.hub.followers == []

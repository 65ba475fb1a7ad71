"""Finding lines: the right ones, in the right order, from files that move meanwhile."""

import gzip
import os
import random
import time
from contextlib import suppress

import pytest
import trio
import trio.lowlevel

from oxtrio.errors import UsageError
from oxtrio.logs.lines import LineAssembler
from oxtrio.logs.search import search
from oxtrio.logs.tracks import LogOf
from oxtrio.model.log import Chunk, LogQuery, Skipped
from tests.logs.writing import (
    ERR,
    NOON,
    OUT,
    Clock,
    a_store,
    an_app,
    found,
    texts,
    write_numbered,
)

TRACEBACK = b"""Traceback (most recent call last):
  File "x.py", line 1, in <module>

    1 / 0
ZeroDivisionError: division by zero
"""


@pytest.fixture
async def written(tmp_path):
    """Both streams of two instances, over several rotated and packed files."""
    app = an_app(instances=2, max_size=1500, max_files=50, compress=True)
    clock = Clock()
    chance = random.Random(7)
    async with a_store(tmp_path) as store:
        sinks = [store.sink(app, number, stream) for number in (0, 1) for stream in (OUT, ERR)]
        for number in range(600):
            chance.choice(sinks).write(b"line %d\n" % number * chance.choice((1, 1, 3)), clock())
            if number % 50 == 0:
                await trio.sleep(0.005)
        yield store, app


async def test_everything_is_found_in_order(written):
    store, app = written

    lines = found(store, app)

    numbers = [int(text.split()[1]) for text in texts(lines)]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(600))
    assert all(line.at == NOON + number for line, number in zip(lines, numbers, strict=True))


@pytest.mark.parametrize("count", [0, 1, 7, 100, 500, 10**6])
async def test_the_last_lines_are_those_at_the_end(written, count):
    store, app = written
    everything = found(store, app)

    assert found(store, app, lines=count) == everything[len(everything) - count if count else 0 :][
        : count or None
    ] or count in (0, 10**6)
    assert len(found(store, app, lines=count)) == min(count, len(everything))


@pytest.mark.parametrize("lines", [None, 20])
@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ({"stream": ERR}, lambda line: line.stream is ERR),
        ({"grep": "[37]$"}, lambda line: line.data[-1:] in b"37"),
        ({"since": NOON + 500}, lambda line: line.at >= NOON + 500),
        ({"until": NOON + 300}, lambda line: line.at <= NOON + 300),
        (
            {"since": NOON + 50, "until": NOON + 400, "grep": "1", "stream": OUT},
            lambda line: (
                NOON + 50 <= line.at <= NOON + 400 and b"1" in line.data and line.stream is OUT
            ),
        ),
        ({"grep": "nowhere"}, lambda line: False),
    ],
)
async def test_a_query_finds_what_it_asks_for(written, query, fits, lines):
    store, app = written
    everything = [line for line in found(store, app) if fits(line)]

    assert found(store, app, lines=lines, **query) == (everything[-lines:] if lines else everything)


async def test_one_instance_can_be_asked_for(written):
    store, app = written

    lines = list(search(LogQuery(lines=30), [store.logs_of(app, frozenset({1}))]))

    assert len(lines) == 30
    assert {line.instance for line in lines} == {1}


async def test_several_apps_are_merged_by_time(tmp_path):
    apps = [an_app(name) for name in ("api", "web", "worker")]
    clock = Clock()
    async with a_store(tmp_path) as store:
        sinks = [store.sink(app, 0, OUT) for app in apps]
        for number in range(90):
            sinks[number % 3].write(b"%d\n" % number, clock())
        logs = [store.logs_of(app) for app in apps]

        assert texts(list(search(LogQuery(lines=None), logs))) == [str(n) for n in range(90)]
        assert texts(list(search(LogQuery(lines=5), logs))) == ["85", "86", "87", "88", "89"]


async def test_each_stream_keeps_its_order_in_files_of_their_own(tmp_path):
    app = an_app(file=str(tmp_path / "o.log"), error_file=str(tmp_path / "e.log"))
    clock = Clock()
    async with a_store(None) as store:
        out, err = (store.sink(app, 0, stream) for stream in (OUT, ERR))
        for number in range(2000):
            (out, err)[number % 2].write(b"%d\n" % number, clock())
        lines = found(store, app)

    assert [int(line.data) for line in lines] == list(range(2000))
    assert [line.stream for line in lines[:2]] == [OUT, ERR]


async def test_a_level_takes_the_whole_traceback_along(tmp_path):
    app = an_app()
    clock = Clock()
    async with a_store(tmp_path) as store:
        out, err = (store.sink(app, 0, stream) for stream in (OUT, ERR))
        out.write(b"INFO: up\n  with details\n", clock())
        err.write(TRACEBACK, clock())
        out.write(b"ERROR: gone\n", clock())
        out.write(b"DEBUG: well\n  more\n", clock())
        errors = [*TRACEBACK.decode().splitlines(), "ERROR: gone"]

        assert texts(found(store, app, level="error")) == errors
        for count in range(8):
            assert texts(found(store, app, level="error", lines=count)) == (
                errors[-count:] if count else []
            )
        assert texts(found(store, app, level="INFO", lines=2, stream=OUT)) == [
            "  with details",
            "ERROR: gone",
        ]


@pytest.mark.parametrize("query", [{"grep": "("}, {"level": "loud"}])
def test_what_is_no_question_is_refused_at_once(query):
    with pytest.raises(UsageError):
        search(LogQuery(**query), [LogOf("api")])


async def test_bytes_that_are_no_text_are_found_too(tmp_path):
    app = an_app()
    async with a_store(tmp_path) as store:
        store.sink(app, 0, OUT).write(b"\xff\x00\xfe\nSENTINEL\n", NOON)

        assert [line.data for line in found(store, app, grep=r"\x00")] == [b"\xff\x00\xfe"]
        assert texts(found(store, app, grep="SENTINEL")) == ["SENTINEL"]


async def test_a_log_without_index_can_be_searched(tmp_path):
    app = an_app(error_file=str(tmp_path / "err.log"), instances=1)
    (tmp_path / "err.log").write_bytes(b"a\n\nb\nno newline")
    os.utime(tmp_path / "err.log", (NOON, NOON))
    with gzip.open(tmp_path / "err.log.1.gz", "wb") as old:
        old.write(b"old\n")
    os.utime(tmp_path / "err.log.1.gz", (NOON - 9, NOON - 9))
    async with a_store(None) as store:
        lines = found(store, app)

    assert texts(lines) == ["old", "a", "", "b", "no newline"]
    assert [line.at for line in lines] == [NOON - 9, *[NOON] * 4]
    assert {line.stream for line in lines} == {ERR}


async def test_an_index_that_begins_late_or_says_too_much_does_no_harm(tmp_path):
    app, log = an_app(), tmp_path / "api.log"
    log.write_bytes(b"before\n")
    async with a_store(tmp_path) as store:
        store.sink(app, 3, ERR).write(b"known\n", NOON)
        store.sink(app, 3, ERR).write(b"cut off\n", NOON + 1)
        os.truncate(log, 13)
        lines = [*search(LogQuery(lines=None), [LogOf("api", _without_end(store, app))])]

    assert [(line.data, line.at, line.instance, line.stream) for line in lines] == [
        (b"before", NOON, 0, OUT),
        (b"known", NOON, 3, ERR),
    ]


def _without_end(store, app):
    [track] = store.logs_of(app).tracks
    return (type(track)(track.path, track.route),)


async def test_a_damaged_packed_log_is_read_as_far_as_possible(tmp_path):
    app = an_app()
    lines = b"".join(b"%d\n" % random.Random(number).getrandbits(64) for number in range(9999))
    packed = gzip.compress(lines)
    (tmp_path / "api.log.1.gz").write_bytes(packed[: len(packed) // 2])
    async with a_store(tmp_path) as store:
        got = found(store, app)

    assert 1000 < len(got) < 9999
    assert lines.startswith(b"\n".join(line.data for line in got))


async def test_empty_and_missing_logs_hold_nothing(tmp_path):
    async with a_store(tmp_path) as store:
        assert found(store, an_app()) == []
        store.sink(an_app(), 0, OUT)
        assert found(store, an_app(), lines=5) == []


async def test_a_fifo_in_the_place_of_a_log_does_not_block_a_search(tmp_path):
    os.mkfifo(tmp_path / "api.log")
    async with a_store(tmp_path) as store:
        assert found(store, an_app()) == []


async def test_lines_of_a_mebibyte_are_found_from_both_ends(tmp_path):
    app = an_app(error_file=str(tmp_path / "err.log"))
    long = b"x" * (2**20 - 1)
    async with a_store(tmp_path) as store:
        sink = store.sink(app, 0, OUT)
        for number in range(3):
            sink.write(b"%d" % number + long[1:] + b"\n", NOON + number)

        assert [line.data[:1] for line in found(store, app)] == [b"0", b"1", b"2"]
        assert [line.data for line in found(store, app, lines=2)] == [
            b"1" + long[1:],
            b"2" + long[1:],
        ]


async def test_no_file_stays_open_after_a_search(written, tmp_path):
    store, app = written
    before = opened_in(tmp_path)
    assert next(lines := search(LogQuery(lines=None), [store.logs_of(app)]))
    assert opened_in(tmp_path) > before
    lines.close()
    found(store, app, lines=300)

    assert opened_in(tmp_path) == before


def opened_in(folder) -> int:
    """How many files in *folder* this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{name}").startswith(str(folder))
    return count


async def test_what_is_there_and_what_follows_join_without_a_gap(tmp_path):
    """Lines in pieces, rotation and compression all the time, a follower at any moment."""
    app = an_app(max_size=3000, max_files=10_000, compress=True, error_file=str(tmp_path / "e"))
    total = 20_000

    async with a_store(tmp_path) as store, trio.open_nursery() as nursery:
        data = b"".join(b"%08d %s\n" % (number, b"x" * 20) for number in range(total))
        written = trio.Event()

        @nursery.start_soon
        async def write():
            sink, chance, at = store.sink(app, 0, OUT), random.Random(3), 0
            while at < len(data):
                size = chance.randrange(1, 400)
                sink.write(data[at : at + size], time.time())
                at += size
                if chance.random() < 0.2:
                    await trio.lowlevel.checkpoint()
            written.set()

        async def follow(after):
            await trio.sleep(after)
            with store.follow([(app, None)], backlog=10**9) as (history, live):
                query = LogQuery(lines=None)
                lines = await trio.to_thread.run_sync(lambda: [*search(query, history)])
                assembler = LineAssembler()
                while len(lines) < total:
                    chunk = await anext(live)
                    assert not isinstance(chunk, Skipped)
                    lines += assembler.add(chunk)
                assert [int(line.data[:8]) for line in lines] == list(range(total))
                assert all(len(line.data) == 29 for line in lines)

        with trio.fail_after(60):
            async with trio.open_nursery() as followers:
                for number in range(8):
                    followers.start_soon(follow, number * 0.02)
            await written.wait()


async def test_what_is_written_after_a_track_was_taken_is_not_in_it(tmp_path):
    app = an_app(max_size=1000, compress=True)
    async with a_store(tmp_path) as store:
        sink = store.sink(app, 0, OUT)
        write_numbered(sink, range(15), Clock())
        taken = store.logs_of(app)
        write_numbered(sink, range(15, 30), Clock())
        while len(list(tmp_path.glob("*.gz"))) < 2:  # noqa: ASYNC110 - see test_store
            await trio.sleep(0.01)

        for count in (None, 100):
            lines = search(LogQuery(lines=count), [taken])
            assert [int(line.data[:8]) for line in lines] == list(range(15))


async def test_a_search_finds_each_line_once_while_files_are_rotated(tmp_path):
    app = an_app(max_size=2000, max_files=5, compress=True)
    async with a_store(tmp_path) as store:
        sink = store.sink(app, 0, OUT)
        done = trio.Event()

        async def look():
            for _ in range(30):
                query, log = LogQuery(lines=None), store.logs_of(app)
                lines = await trio.to_thread.run_sync(lambda q=query, x=log: [*search(q, [x])])
                numbers = [int(line.data[:8]) for line in lines]
                # The oldest files may be removed before they are read, but nothing in between.
                assert numbers == sorted(set(numbers))
            done.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            number = 0
            while not done.is_set():
                write_numbered(sink, range(number, number + 5), Clock())
                number += 5
                await trio.lowlevel.checkpoint()


async def test_output_that_waits_for_a_disk_is_found_too(tmp_path, disk):
    app = an_app()
    async with a_store(tmp_path) as store:
        sink = store.sink(app, 0, OUT)
        sink.write(b"on disk\n", NOON)
        disk.room = 0
        sink.write(b"waits\npar", NOON + 1)

        assert texts(found(store, app)) == ["on disk", "waits", "par"]
        with store.follow([(app, None)]) as (history, live):
            assert texts([*search(LogQuery(lines=None), history)]) == ["on disk", "waits"]
            assert await anext(live) == Chunk(NOON + 1, "api", 0, OUT, b"par")
        disk.room = 10**6


async def test_gzip_files_that_were_put_together_are_one_log(tmp_path):
    packed = gzip.compress(b"one\n") + gzip.compress(b"two\n" * 100_000)
    (tmp_path / "api.log.1.gz").write_bytes(packed)
    async with a_store(tmp_path) as store:
        got = found(store, an_app())

    assert len(got) == 100_001

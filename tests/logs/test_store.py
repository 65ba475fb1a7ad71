"""Everything that an app writes is kept, or it is said what is not."""

import os
import shutil
import time

import pytest
import trio

from oxtrio.logs.backlog import Room
from oxtrio.logs.store import open_store
from oxtrio.model.log import Chunk
from oxtrio.model.spec import WhenFull
from tests.logs.conftest import grow
from tests.logs.writing import (
    ERR,
    NOON,
    OUT,
    Clock,
    Warnings,
    a_store,
    an_app,
    found,
    numbers_in,
    texts,
    write_numbered,
)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "api.log"


async def until(holds):
    with trio.fail_after(20):
        while not holds():  # noqa: ASYNC110 - what is on a disk has no event
            await trio.sleep(0.01)


async def test_the_default_log_holds_both_streams_as_they_came(tmp_path, log):
    async with a_store(tmp_path) as store:
        out, err = (store.sink(an_app(), 0, stream) for stream in (OUT, ERR))
        assert out.whole_lines
        assert err.whole_lines
        out.write(b"\x88\xff\x00 mid\rdle\n", NOON)
        err.write(b"\x1b[31mred\n", NOON)

    assert log.read_bytes() == b"\x88\xff\x00 mid\rdle\n\x1b[31mred\n"


async def test_streams_of_their_own_need_no_whole_lines(tmp_path):
    app = an_app(file=str(tmp_path / "out.log"), error_file=str(tmp_path / "err.log"))
    async with a_store(None) as store:
        out, err = (store.sink(app, 0, stream) for stream in (OUT, ERR))
        assert not out.whole_lines
        assert not err.whole_lines
        out.write(b"part", NOON)
        err.write(b"other\n", NOON)
        out.write(b"s\n", NOON)

    assert (tmp_path / "out.log").read_bytes() == b"parts\n"
    assert (tmp_path / "err.log").read_bytes() == b"other\n"


async def test_without_a_file_output_is_still_there_to_be_read():
    app = an_app()
    async with a_store(None) as store:
        sink = store.sink(app, 0, OUT)
        assert not sink.whole_lines
        assert sink.place(NOON) == (0, 0)
        sink.write(b"one\ntwo\npar", NOON)

        assert texts(found(store, app)) == ["one", "two", "par"]
        assert store.warnings() == ()


async def test_instances_have_their_own_files_where_the_path_has_their_number(tmp_path):
    app = an_app(instances=2, file=str(tmp_path / "api-${instance}.log"))
    async with a_store(None) as store:
        for number in range(2):
            store.sink(app, number, OUT).write(b"%d\n" % number, NOON)

    assert (tmp_path / "api-1.log").read_bytes() == b"1\n"


async def test_a_date_stands_before_each_line(tmp_path, log):
    app = an_app(date_format="[at]")
    async with a_store(tmp_path) as store:
        sink = store.sink(app, 0, OUT)
        assert sink.whole_lines
        sink.write(b"one\ntwo\n", NOON)
        sink.write(b"beg", NOON)
        sink.write(b"un\n", NOON)

    assert log.read_bytes() == b"at: one\nat: two\nat: begun\n"


async def test_a_file_is_closed_when_nobody_writes_to_it_any_more(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    async with a_store(tmp_path) as store:
        sinks = [store.sink(an_app(), 0, stream) for stream in (OUT, ERR)]
        idle = len(os.listdir("/proc/self/fd"))
        for sink in sinks:
            store.release(sink)
        assert len(os.listdir("/proc/self/fd")) == idle - 2

    assert len(os.listdir("/proc/self/fd")) == before


async def test_followers_get_chunks_as_they_come(tmp_path):
    app = an_app()
    async with a_store(tmp_path) as store:
        sink = store.sink(app, 3, ERR)
        with store.follow([(app, None)]) as (_, live):
            sink.write(b"now", NOON)
            assert await anext(live) == Chunk(NOON, "api", 3, ERR, b"now")


async def test_a_full_disk_costs_whole_lines_only_and_says_how_many(
    tmp_path, log, disk, autojump_clock, monkeypatch
):
    clock = Clock()
    warnings = Warnings()
    monkeypatch.setattr("oxtrio.logs.store.Room", lambda: Room(1000))
    async with open_store(str(tmp_path), warnings) as store:
        sink = store.sink(an_app(), 0, OUT)
        disk.room = 950
        write_numbered(sink, range(100), clock)
        [warning] = store.warnings()
        assert warning == f"cannot write {log}: no space left on device (79 lines dropped)"
        assert warnings == [f"cannot write {log}: no space left on device"]
        disk.room = 10**6
        await until(lambda: not store.warnings())
        write_numbered(sink, range(100, 110), clock)

    before, after = log.read_bytes().split(b"[oxtrio] dropped 79 lines (disk full)\n")
    assert numbers_in(before) == list(range(21))
    assert numbers_in(after) == list(range(100, 110))


async def test_while_a_disk_is_full_it_is_not_tried_all_the_time(tmp_path, disk, autojump_clock):
    async with a_store(tmp_path) as store:
        sink = store.sink(an_app(), 0, OUT)
        disk.room = 0
        write_numbered(sink, range(1000), Clock())
        tries = disk.tries
        await trio.sleep(10)
        assert disk.tries - tries <= 11
        disk.room = 10**6
        await trio.sleep(2)
        tries = disk.tries
        await trio.sleep(1000)
        assert disk.tries == tries
        assert store.warnings() == ()


async def test_with_block_nothing_is_dropped(tmp_path, log, disk, autojump_clock, nursery):
    clock = Clock()
    async with a_store(tmp_path) as store:
        sink = store.sink(an_app(when_full=WhenFull.BLOCK), 0, OUT)
        disk.room = 1000
        refused = 0

        @nursery.start_soon
        async def make_room():
            await trio.sleep(5)
            disk.room = 10**6

        for number in range(100):
            while not sink.write(b"%08d %s\n" % (number, b"x" * 80), clock()):
                refused += 1
                await sink.wait_room()

    assert refused >= 4
    assert numbers_in(log.read_bytes()) == list(range(100))


async def test_what_waits_is_written_before_the_store_is_left(tmp_path, log, disk):
    async with a_store(tmp_path) as store:
        sink = store.sink(an_app(), 0, OUT)
        disk.room = 0
        write_numbered(sink, range(10), Clock())
        store.release(sink)
        disk.room = 10**6

    assert numbers_in(log.read_bytes()) == list(range(10))


async def test_leaving_does_not_wait_for_ever(tmp_path, disk, autojump_clock):
    async with a_store(tmp_path) as store:
        disk.room = 0
        store.sink(an_app(), 0, OUT).write(b"never\n", NOON)
        left = trio.current_time()

    assert trio.current_time() - left <= 2.5


async def test_the_end_of_a_run_does_not_cut_a_line_that_waits_for_room(
    tmp_path, disk, autojump_clock
):
    app = an_app(file=str(tmp_path / "out.log"), error_file=str(tmp_path / "err.log"))
    async with a_store(None) as store:
        sink = store.sink(app, 0, OUT)
        sink.write(b"one ", NOON)
        disk.room = 4
        sink.write(b"line", NOON)
        sink.end(NOON)
        disk.room = 10**6
        await until(lambda: not store.warnings())
        sink.write(b"next run\n", NOON)

    assert (tmp_path / "out.log").read_bytes() == b"one line\nnext run\n"


@pytest.mark.slow
async def test_a_real_disk_that_was_full_is_written_to_again(small_disk):
    log = small_disk / "api.log"
    async with a_store(small_disk) as store:
        (small_disk / "filler").write_bytes(b"x" * 150 * 1024)
        sink = store.sink(an_app(), 0, OUT)
        write_numbered(sink, range(5000), Clock())
        assert store.warnings()
        grow(small_disk)
        await until(lambda: not store.warnings())
        write_numbered(sink, range(5000, 5010), Clock())
        everything = found(store, an_app())

    assert numbers_in(log.read_bytes()) == list(range(5010))
    assert len(everything) == 5010


async def test_a_log_that_cannot_be_opened_stops_nobody(tmp_path, log, autojump_clock):
    log.mkdir()
    app = an_app(when_full=WhenFull.BLOCK)
    async with a_store(tmp_path) as store:
        sink = store.sink(app, 0, OUT)
        assert sink.write(b"only in memory\n", NOON)
        assert store.warnings() == (f"cannot write {log}: is a directory",)
        assert texts(found(store, app)) == ["only in memory"]
        log.rmdir()
        store.reopen()
        sink.write(b"kept\n", NOON)
        assert store.warnings() == ()

    assert log.read_bytes() == b"kept\n"


async def test_a_reader_of_a_fifo_that_does_not_read_blocks_only_this_app(tmp_path, nursery):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    async with a_store(tmp_path) as store:
        sink = store.sink(an_app(file=str(fifo)), 0, OUT)
        other = store.sink(an_app("web"), 0, OUT)
        sent = 0
        while sink.write(b"%08d %s\n" % (sent, b"x" * 80), time.time()):
            sent += 1
        assert other.write(b"flows\n", NOON)
        assert "does not keep up" in store.warnings()[0]
        got = bytearray()

        @nursery.start_soon
        async def read():
            while True:
                await trio.lowlevel.wait_readable(reader)
                got.extend(os.read(reader, 65536))

        for number in range(sent, sent + 2000):
            while not sink.write(b"%08d %s\n" % (number, b"x" * 80), time.time()):
                await sink.wait_room()
        await until(lambda: len(got) >= 90 * (sent + 2000))
        nursery.cancel_scope.cancel()
    os.close(reader)

    assert numbers_in(bytes(got)) == list(range(sent + 2000))


async def test_a_reader_that_goes_away_while_output_waits_frees_the_app(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    async with a_store(tmp_path) as store:
        sink = store.sink(an_app(file=str(fifo)), 0, OUT)
        while sink.write(b"x" * 1000 + b"\n", time.time()):
            pass
        os.close(reader)
        with trio.fail_after(5):
            while not sink.write(b"x\n", time.time()):
                await sink.wait_room()


async def test_the_log_folder_may_be_deleted_at_any_time(tmp_path):
    folder = tmp_path / "logs"
    async with a_store(folder) as store:
        sink = store.sink(an_app(), 0, OUT)
        sink.write(b"old\n", NOON)
        shutil.rmtree(folder)
        for number in range(30):
            assert sink.write(b"%d\n" % number, NOON + number / 10)
        assert texts(found(store, an_app()))[-1] == "29"

    assert (folder / "api.log").read_bytes().endswith(b"\n28\n29\n")


async def test_compression_goes_on_beside_and_loses_nothing(tmp_path, log):
    app = an_app(max_size=20_000, max_files=100, compress=True)
    clock = Clock()
    async with a_store(tmp_path) as store:
        sink = store.sink(app, 0, OUT)
        for start in range(0, 5000, 100):
            write_numbered(sink, range(start, start + 100), clock)
            await trio.sleep(0.001)
        await until(lambda: len(list(tmp_path.glob("*.gz"))) == 22)
        lines = found(store, app)

    assert [int(line.data[:8]) for line in lines] == list(range(5000))
    assert [line.at for line in lines] == [NOON + number for number in range(5000)]
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


async def test_what_an_interrupted_compression_left_is_cleaned_up(tmp_path, log):
    (tmp_path / "api.log.1").write_bytes(b"old\n")
    (tmp_path / "api.log.123.gz.tmp").write_bytes(b"half")
    async with a_store(tmp_path) as store:
        store.sink(an_app(compress=True), 0, OUT)
        await until((tmp_path / "api.log.1.gz").exists)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "api.log",
        "api.log.1.gz",
        "api.log.idx",
    ]


async def test_tiny_writes_cost_no_record_each(tmp_path):
    app = an_app()
    async with a_store(tmp_path) as store:
        sink = store.sink(app, 0, OUT)
        for number in range(10_000):
            sink.write(b".", NOON + number / 100_000)

        assert (tmp_path / "api.log.idx").stat().st_size <= 24 * 5
        assert [len(line.data) for line in found(store, app)] == [10_000]


async def test_output_without_newlines_never_fills_the_memory(tmp_path):
    app = an_app(max_size=2**20, max_files=2)
    async with a_store(tmp_path) as store:
        sink = store.sink(app, 0, OUT)
        for _ in range(200):
            sink.write(b"10%\r" * 16384, NOON)

        assert max(len(line.data) for line in found(store, app)) <= 2**20
    sizes = [path.stat().st_size for path in tmp_path.iterdir() if path.suffix != ".idx"]
    assert sum(sizes) <= 3 * 2 * 2**20

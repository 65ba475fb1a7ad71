"""A log goes on, whatever happens to its file."""

import os
import shutil

import pytest

from oxtrio.logs.index import Writer
from oxtrio.logs.volume import Volume
from oxtrio.model.spec import LogSpec
from tests.logs.writing import ERR, NOON, OUT, Warnings, numbers_in

ONE, TWO = Writer(0, OUT), Writer(0, ERR)
LINE = b"%08d " + b"x" * 80 + b"\n"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "logs" / "api.log"


@pytest.fixture
async def opened(log):
    volumes = []

    def open_volume(path=log, **spec):
        volumes.append(Volume(str(path), LogSpec(**spec), Warnings()))
        return volumes[-1]

    yield open_volume
    for volume in volumes:
        volume.close()


def old(log, number=1):
    return log.with_name(f"{log.name}.{number}")


def all_numbers(log):
    files = sorted(log.parent.glob("api.log.*[0-9]"), key=lambda p: -int(p.suffix[1:]))
    return numbers_in(*(path.read_bytes() for path in [*files, log]))


async def test_rotation_cuts_between_lines_and_loses_none(opened, log):
    volume = opened(max_size=1000, max_files=1000)
    for start in range(0, 2000, 20):
        assert volume.put(ONE, b"".join(LINE % n for n in range(start, start + 20)), NOON) == b""

    assert all_numbers(log) == list(range(2000))
    assert max(p.stat().st_size for p in log.parent.glob("*[0-9]")) < 1000 + 90


async def test_a_line_that_comes_in_pieces_is_not_cut_by_rotation(opened, log):
    volume = opened(max_size=50)
    for piece in (b"a" * 40, b"b" * 40, b"c\nnext\n"):
        assert volume.put(ONE, piece, NOON) == b""

    assert old(log).read_bytes() == b"a" * 40 + b"b" * 40 + b"c\n"
    assert log.read_bytes() == b"next\n"


async def test_output_without_any_newline_is_rotated_too(opened, log):
    volume = opened(max_size=1000, max_files=3)
    for _ in range(100):
        assert volume.put(ONE, b"x" * 65536, NOON) == b""

    sizes = [path.stat().st_size for path in log.parent.iterdir() if path.suffix != ".idx"]
    assert max(sizes) <= 1000 + 1024 * 1024
    assert len(sizes) == 4


async def test_place_tells_where_the_next_write_stands(opened, log):
    volume = opened(max_size=1000)
    for number in range(50):
        inode, offset = volume.place(ONE)
        volume.put(ONE, b"%04d\n" % number * 10, NOON)
        where = log if log.stat().st_ino == inode else old(log)
        assert where.read_bytes()[offset:].startswith(b"%04d\n" % number)


async def test_place_counts_the_newline_that_another_writer_is_owed(opened, log):
    volume = opened()
    volume.put(ONE, b"begun", NOON)
    assert volume.place(ONE)[1] == 5
    assert volume.place(TWO)[1] == 6
    volume.put(TWO, b"other\n", NOON)

    assert log.read_bytes() == b"begun\nother\n"


async def test_a_line_that_ended_with_its_run_gets_a_newline_when_more_comes(opened, log):
    volume = opened()
    volume.put(ONE, b"l1\nabc", NOON)
    volume.end(ONE)
    assert log.read_bytes() == b"l1\nabc"
    volume.put(ONE, b"next run\n", NOON)

    assert log.read_bytes() == b"l1\nabc\nnext run\n"


async def test_a_line_left_by_an_earlier_supervisor_gets_a_newline(opened, log):
    first = opened()
    first.put(ONE, b"torn", NOON)
    first.close()
    opened().put(ONE, b"next\n", NOON)

    assert log.read_bytes() == b"torn\nnext\n"


@pytest.mark.parametrize(("writer", "joined"), [(ONE, True), (TWO, False)])
async def test_who_was_adopted_goes_on_inside_its_line(opened, log, writer, joined):
    first = opened()
    first.put(ONE, b"be", NOON)
    first.close()
    second = opened()
    second.resume(writer)
    second.put(writer, b"gun\n", NOON)

    assert log.read_bytes() == (b"begun\n" if joined else b"be\ngun\n")


async def test_a_deleted_folder_is_made_anew(opened, log):
    volume = opened()
    volume.look(NOON)
    volume.put(ONE, b"lost with the folder\n", NOON)
    shutil.rmtree(log.parent)
    volume.look(NOON + 0.5)
    volume.look(NOON + 1.5)
    volume.put(ONE, b"new\n", NOON + 2)

    assert log.read_bytes() == b"new\n"
    assert volume.fault is None


@pytest.mark.parametrize("reopened", [True, False])
async def test_a_file_that_was_moved_away_is_left_at_the_end_of_a_line(opened, log, reopened):
    volume = opened()
    volume.put(ONE, LINE % 0 + (LINE % 1)[:30], NOON)
    log.rename(old(log))
    old_index = log.with_name("api.log.1.idx")
    if reopened:
        volume.reopen()
    else:
        volume.look(NOON + 5)
    assert not log.exists()
    volume.put(ONE, (LINE % 1)[30:] + LINE % 2, NOON)

    assert numbers_in(old(log).read_bytes()) == [0, 1]
    assert numbers_in(log.read_bytes()) == [2]
    assert old_index.exists()


async def test_a_run_that_ends_lets_go_of_a_file_that_was_moved_away(opened, log):
    volume = opened()
    volume.put(ONE, b"begun", NOON)
    log.rename(old(log))
    volume.reopen()
    volume.end(ONE)
    volume.put(ONE, b"next\n", NOON)

    assert (old(log).read_bytes(), log.read_bytes()) == (b"begun", b"next\n")


async def test_reopening_a_file_that_is_in_its_place_changes_nothing(opened, log):
    volume = opened()
    volume.put(ONE, b"one\n", NOON)
    inode = volume.place(ONE)[0]
    volume.reopen()

    assert volume.place(ONE) == (inode, 4)


async def test_a_file_that_somebody_emptied_is_gone_on_with(opened, log):
    volume = opened()
    volume.put(ONE, b"long ago\n" * 100, NOON)
    os.truncate(log, 0)
    volume.look(NOON + 2)
    volume.put(ONE, b"new\n", NOON + 2)

    assert log.read_bytes() == b"new\n"
    assert volume.place(ONE)[1] == 4


async def test_a_log_that_cannot_be_opened_is_tried_again_after_ten_seconds(opened, log):
    log.mkdir(parents=True)
    volume = opened()
    assert volume.hopeless
    assert volume.put(ONE, b"let go\n", NOON) == b"let go\n"
    volume.look(NOON)
    log.rmdir()
    volume.look(NOON + 9)
    assert volume.target is None
    volume.look(NOON + 11)
    volume.put(ONE, b"kept\n", NOON + 11)

    assert log.read_bytes() == b"kept\n"
    assert volume.fault is None


async def test_a_folder_where_nothing_may_be_moved_stops_rotation_but_not_the_log(
    opened, log, monkeypatch
):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    volume = opened(max_size=100)
    monkeypatch.setattr("oxtrio.logs.volume.rotate", refuse)
    for number in range(10):
        assert volume.put(ONE, LINE % number, NOON) == b""

    assert numbers_in(log.read_bytes()) == list(range(10))
    assert str(volume.rotation_fault)


async def test_a_log_that_is_too_large_when_it_is_opened_is_rotated_at_once(opened, log):
    log.parent.mkdir()
    log.write_bytes(b"old\n" * 100)
    opened(max_size=100)

    assert old(log).read_bytes() == b"old\n" * 100
    assert log.read_bytes() == b""


async def test_a_fifo_is_written_to_when_it_has_a_reader(opened, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    volume = opened(fifo, max_size=10)
    assert volume.hopeless
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    volume.look(NOON)
    volume.put(ONE, b"more than the ten bytes\n", NOON)
    assert os.read(reader, 100) == b"more than the ten bytes\n"
    assert sorted(os.listdir(tmp_path)) == ["fifo"]

    os.close(reader)
    assert volume.put(ONE, b"nobody\n", NOON) == b"nobody\n"
    assert volume.hopeless

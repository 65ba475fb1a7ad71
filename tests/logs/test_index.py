"""The index says who wrote what, and survives crashes."""

import os

import pytest

from oxtrio.logs.index import RECORD, Index, Record, Writer, identity_of, index_name, unpack
from tests.logs.writing import ERR, OUT

ONE, TWO = Writer(0, OUT), Writer(7, ERR)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "api.log.idx")


def opened(path, inode=1, size=10**6):
    index = Index(path)
    index.open(inode, size)
    return index


def records(path):
    with open(path, "rb") as file:
        raw = file.read()
    return [unpack(raw[at : at + RECORD.size]) for at in range(RECORD.size, len(raw), RECORD.size)]


def test_every_change_of_writer_is_a_record(path):
    index = opened(path)
    index.note(ONE, 0, 1.0)
    index.note(TWO, 10, 1.001)
    index.note(ONE, 20, 1.002)
    index.close()

    assert records(path) == [Record(0, 1.0, ONE), Record(10, 1.001, TWO), Record(20, 1.002, ONE)]


def test_a_writer_that_goes_on_needs_few_records(path):
    index = opened(path)
    for number in range(1000):
        index.note(ONE, number, 1.0 + number / 10_000)
    index.close()

    assert len(records(path)) == 2


def test_a_clock_that_steps_back_is_a_new_record(path):
    index = opened(path)
    index.note(ONE, 0, 10.0)
    index.note(ONE, 5, 9.0)
    index.close()

    assert [record.at for record in records(path)] == [10.0, 9.0]


def test_an_index_is_continued(path):
    first = opened(path)
    first.note(ONE, 0, 1.0)
    first.close()
    second = opened(path)
    assert second.last == Record(0, 1.0, ONE)
    second.note(TWO, 5, 2.0)
    second.close()

    assert records(path) == [Record(0, 1.0, ONE), Record(5, 2.0, TWO)]


def test_a_torn_record_is_overwritten(path):
    first = opened(path)
    first.note(ONE, 0, 1.0)
    first.close()
    with open(path, "ab") as file:
        file.write(b"torn")
    second = opened(path)
    second.note(TWO, 5, 2.0)
    second.close()

    assert records(path) == [Record(0, 1.0, ONE), Record(5, 2.0, TWO)]


def test_what_is_said_of_bytes_that_are_gone_is_forgotten(path):
    first = opened(path)
    for number in range(10):
        first.note(ONE, number * 100, float(number))
    first.close()
    second = opened(path, size=450)
    second.close()

    assert [record.offset for record in records(path)] == [0, 100, 200, 300, 400]


def test_the_index_of_another_file_is_not_continued(path):
    first = opened(path)
    first.note(ONE, 0, 1.0)
    before = first.identity
    first.close()
    second = opened(path, inode=2)

    assert second.last is None
    assert records(path) == []
    assert second.identity not in (0, before)
    second.close()


def test_an_index_is_known_by_the_same_number_under_any_name(path):
    index = opened(path)
    os.rename(path, f"{path}.moved")

    assert identity_of(f"{path}.moved") == index.identity != 0
    assert identity_of(path) == 0
    index.close()


def test_an_index_follows_its_log(tmp_path):
    log = tmp_path / "api.log"
    log.write_bytes(b"x")
    index = opened(index_name(str(log)))
    fd = os.open(log, os.O_RDONLY)
    log.rename(tmp_path / "api.log-20260101")
    index.follow(fd)
    os.close(fd)

    assert (tmp_path / "api.log-20260101.idx").exists()
    assert not (tmp_path / "api.log.idx").exists()


def test_without_an_index_nothing_fails(tmp_path):
    (tmp_path / "api.log.idx").mkdir()
    index = opened(str(tmp_path / "api.log.idx"))
    index.note(ONE, 0, 1.0)
    index.cut(0)

    assert index.identity == 0
    index.close()

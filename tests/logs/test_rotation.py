"""Old logs move on by one number, and none overwrites another."""

import pytest

from oxtrio.logs.rotation import Moves, rotate, rotated


@pytest.fixture
def log(tmp_path):
    return tmp_path / "api.log"


def names(log):
    return sorted(path.name for path in log.parent.iterdir())


def write(log, *suffixes):
    for suffix in suffixes:
        log.with_name(log.name + suffix).write_text(suffix)


def test_files_and_their_indexes_move_on_together(log):
    write(log, "", ".idx", ".1", ".1.idx", ".2.gz", ".2.idx")

    rotate(str(log), 5)

    assert names(log) == [f"api.log.{n}" for n in ("1", "1.idx", "2", "2.idx", "3.gz", "3.idx")]
    assert log.with_name("api.log.3.gz").read_text() == ".2.gz"


def test_those_beyond_the_limit_are_removed(log):
    write(log, "", ".1", ".2", ".2.idx", ".3.gz", ".9")

    rotate(str(log), 2)

    assert names(log) == ["api.log.1", "api.log.2"]


def test_none_is_kept_where_none_is_wanted(log):
    write(log, "", ".idx", ".1")

    rotate(str(log), 0)

    assert names(log) == []


def test_a_gap_is_closed_and_what_is_behind_it_stays(log):
    write(log, "", ".1", ".3")

    rotate(str(log), 5)

    assert names(log) == ["api.log.1", "api.log.2", "api.log.3"]
    assert log.with_name("api.log.3").read_text() == ".3"


def test_more_than_nine_are_in_order_of_their_numbers(log):
    write(log, "", *(f".{number}" for number in range(1, 12)))

    rotate(str(log), 100)

    assert log.with_name("api.log.12").read_text() == ".11"
    assert log.with_name("api.log.10").read_text() == ".9"


def test_a_log_that_cannot_be_moved_is_an_error(log):
    with pytest.raises(FileNotFoundError):
        rotate(str(log), 5)


def test_only_numbered_files_count_as_rotated(log):
    write(log, "", ".1", ".1.gz", ".2.gz", ".01", ".x", ".2.gz.tmp", ".17.gz.tmp", ".3.idx", "2")

    assert {number: name.rsplit("/")[-1] for number, name in rotated(str(log)).items()} == {
        1: "api.log.1",
        2: "api.log.2.gz",
    }


def test_a_reader_sees_that_names_move():
    moves = Moves()
    with moves:
        assert moves.stamp % 2 == 1
    assert moves.stamp == 2

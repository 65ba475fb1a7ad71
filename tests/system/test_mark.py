"""Where a reader stood, as the next one finds it."""

import os
import stat
from pathlib import Path

import pytest

from oxtrio.system.fifo import LARGEST
from oxtrio.system.mark import HEADER, Mark
from tests.engine import descriptors
from tests.process.recovery import Found, read_mark


def test_a_mark_says_where_the_chunk_goes_and_how_much_of_the_pipe_it_stands_for(
    tmp_path: Path,
) -> None:
    mark = Mark(str(tmp_path / "mark"), 1000)

    mark.set((77, 123), 45, 67)

    assert read_mark(tmp_path / "mark") == Found(1, 77, 123, 45, 67, b"")
    mark.clear()
    assert read_mark(tmp_path / "mark").state == 0
    mark.close()


def test_the_partial_line_outlives_the_reader(tmp_path: Path) -> None:
    mark = Mark(str(tmp_path / "mark"), 1000)
    mark.keep(b"half a li")
    mark.close()

    assert read_mark(tmp_path / "mark").carry == b"half a li"


def test_a_shorter_partial_line_replaces_a_longer_one(tmp_path: Path) -> None:
    mark = Mark(str(tmp_path / "mark"), 1000)
    for partial in (b"a long beginning", b"short", b""):
        mark.keep(partial)

        assert mark.carry == read_mark(tmp_path / "mark").carry == partial
    mark.close()


def test_a_partial_line_that_belongs_to_a_chunk_under_way_is_told_apart(tmp_path: Path) -> None:
    mark = Mark(str(tmp_path / "mark"), 1000)
    mark.set((77, 0), 10, 15)
    mark.keep(b"hello")

    assert read_mark(tmp_path / "mark") == Found(2, 77, 0, 10, 15, b"hello")
    mark.clear()
    mark.keep(b"other")
    assert read_mark(tmp_path / "mark").state == 0
    mark.close()


@pytest.mark.parametrize("size", [LARGEST - 1, LARGEST])
def test_the_longest_line_fits(tmp_path: Path, size: int) -> None:
    mark = Mark(str(tmp_path / "mark"), LARGEST)

    mark.keep(b"x" * size)

    assert mark.carry == b"x" * size
    mark.close()


def test_a_mark_is_private_sparse_and_never_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "mark"
    before = descriptors()
    mark = Mark(str(path), LARGEST)
    found = path.stat()

    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_size == HEADER + LARGEST
    assert found.st_blocks * 512 < LARGEST
    with pytest.raises(FileExistsError):
        Mark(str(path), LARGEST)
    mark.close()
    assert descriptors() == before


def test_a_mark_without_a_folder_is_kept_in_memory() -> None:
    mark = Mark(None, 100)
    mark.set((0, 0), 1, 1)
    mark.keep(b"abc")

    assert mark.carry == b"abc"
    mark.close()
    assert not os.path.exists("None")

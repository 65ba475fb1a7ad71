"""Where a reader stood, as the next one finds it."""

import errno
import os
import random
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxtrio.system.fifo import LARGEST
from oxtrio.system.mark import HEADER, Mark, Move, Phase
from tests.engine import descriptors

CARRY = 1000


def a_move(**changes: object) -> Move:
    move = Move(inode=77, offset=5, skip=0, written=9, consumed=12, left=0, at=1.5, inside=False)
    return move._replace(**changes)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "mark")


@pytest.fixture
def mark(path: str) -> Iterator[Mark]:
    made = Mark(path, CARRY)
    yield made
    made.close()


def standing(path: str) -> tuple[Phase, Move, bytes]:
    """How the next reader finds it."""
    mark = Mark.reopen(path, CARRY)
    found = mark.phase, mark.move, mark.carry
    mark.close()
    return found


def test_a_new_mark_says_that_nothing_is_under_way(mark: Mark, path: str) -> None:
    assert standing(path) == (Phase.IDLE, Move(0, 0, 0, 0, 0, 0, 0.0, False), b"")


def test_the_partial_line_is_the_old_one_until_the_write_is_done(mark: Mark, path: str) -> None:
    mark.begin(a_move(), b"old", last=7)
    mark.written()
    mark.clear()
    mark.begin(a_move(offset=14), b"new", last=7)
    assert standing(path) == (Phase.WRITING, a_move(offset=14), b"old")

    mark.written()

    assert standing(path) == (Phase.WRITTEN, a_move(offset=14), b"new")
    mark.clear()
    assert standing(path) == (Phase.IDLE, a_move(offset=14), b"new")


def test_a_move_that_is_withdrawn_has_never_been(mark: Mark, path: str) -> None:
    mark.begin(a_move(), b"old", last=7)
    mark.clear()
    mark.begin(a_move(offset=14), b"a longer new one", last=7)

    mark.withdraw()

    assert standing(path) == (Phase.IDLE, a_move(), b"old")


@given(last=st.integers(0, 255))
def test_the_witness_tells_whether_a_chunk_is_out_of_the_pipe(last: int) -> None:
    mark = Mark(None, CARRY)
    mark.begin(a_move(), b"", last)
    before = mark.is_consumed

    mark.witness[0] = last

    assert (before, mark.is_consumed) == (False, True)
    mark.close()


def test_what_takes_nothing_out_of_the_pipe_is_consumed_from_the_beginning(mark: Mark) -> None:
    mark.begin(a_move(consumed=0))

    assert mark.is_consumed


def test_a_write_that_was_cut_short_is_settled_once_and_for_all(mark: Mark, path: str) -> None:
    mark.begin(a_move(inside=True), b"old", last=7)
    mark.clear()
    mark.begin(a_move(skip=3, at=8.25), b"new", last=7)

    mark.settle(4)

    phase, move, carry = standing(path)
    assert (phase, carry) == (Phase.IDLE, b"old")
    assert (move.left, move.at, move.inside) == (7, 8.25, True)


def test_no_more_is_found_in_the_log_than_was_written(mark: Mark, path: str) -> None:
    mark.begin(a_move(written=9))

    mark.settle(5000)

    assert standing(path)[1].left == 9


def test_any_history_ends_with_the_partial_line_of_its_end(mark: Mark, path: str) -> None:
    chance = random.Random(3)
    partial = b""
    for _ in range(300):
        new = bytes(chance.choices(b"abc", k=chance.choice([0, 1, 10, CARRY])))
        mark.begin(a_move(), new, last=chance.randrange(256))
        if chance.random() < 0.3:
            mark.withdraw()
        else:
            mark.written()
            mark.clear()
            partial = new
        assert mark.carry == partial
    assert standing(path)[2] == partial


@pytest.mark.parametrize("size", [LARGEST - 1, LARGEST])
def test_the_longest_line_fits(tmp_path: Path, size: int) -> None:
    mark = Mark(str(tmp_path / "mark"), LARGEST)

    mark.begin(a_move(), b"x" * size)
    mark.clear()

    assert mark.carry == b"x" * size
    mark.close()


def test_a_mark_is_private_sparse_and_never_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "mark"
    before = descriptors()
    mark = Mark(str(path), LARGEST)
    found = path.stat()

    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_size == HEADER + 2 * LARGEST
    assert found.st_blocks * 512 < LARGEST
    with pytest.raises(FileExistsError):
        Mark(str(path), LARGEST)
    mark.close()
    assert descriptors() == before


def test_a_mark_without_a_folder_is_kept_in_memory() -> None:
    mark = Mark(None, 100)
    mark.begin(a_move(), b"abc")
    mark.clear()

    assert mark.carry == b"abc"
    mark.close()
    assert not os.path.exists("None")


def test_it_knows_its_log(mark: Mark, path: str) -> None:
    assert mark.log == ""
    mark.log = "/a/longer/path"
    mark.log = "/a/päth"
    again = Mark.reopen(path, CARRY)

    assert again.log == "/a/päth"
    again.log = "/x" * 5000  # nothing that the page has no room for
    assert again.log == "/a/päth"
    again.close()


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_without_room_for_the_page_is_said_at_once(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not by SIGBUS, when it is too late."""
    before = descriptors()
    monkeypatch.setattr(os, "posix_fallocate", full)

    with pytest.raises(OSError, match="No space"):
        Mark(path, CARRY)

    assert not os.path.exists(path)
    assert descriptors() == before


def test_a_disk_without_room_for_a_partial_line_costs_nobody_else(
    mark: Mark, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        mark.begin(a_move(), b"partial")
        mark.clear()
        assert standing(path) == (Phase.IDLE, a_move(), b"")

    mark.begin(a_move(), b"partial")
    mark.clear()

    assert standing(path)[2] == b"partial"


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\1" + bytes(HEADER + 2 * CARRY - 1)])
def test_what_is_no_mark_is_refused(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
    before = descriptors()

    with pytest.raises(OSError, match="not a mark"):
        Mark.reopen(path, CARRY)

    assert descriptors() == before


@given(data=st.binary(max_size=400))
def test_a_page_of_nonsense_makes_no_reader_fail(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = str(tmp_path_factory.mktemp("marks") / "mark")
    Mark(path, CARRY).close()
    with open(path, "r+b") as file:
        file.write(data[:8])
        file.seek(16)
        file.write(data[8:])
    mark = Mark.reopen(path, CARRY)

    assert len(mark.carry) <= CARRY
    assert isinstance(mark.log, str)
    mark.settle(5) if mark.phase is Phase.WRITING else None
    mark.close()

"""How much of a write a log has, whatever became of its files."""

import os
from pathlib import Path

import pytest

from oxtrio.logs.extent import bytes_kept, bytes_since


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "a.log"
    path.write_bytes(b"before\n")
    return path


def inode(path: Path) -> int:
    return path.stat().st_ino


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.mark.parametrize(("written", "found"), [(b"", 0), (b"one\n", 4), (b"one\ntwo\n", 8)])
def test_what_stands_behind_the_offset_counts(log: Path, written: bytes, found: int) -> None:
    append(log, written)

    assert bytes_kept(str(log), inode(log), 7, 8) == found


def test_the_beginning_of_a_line_is_taken_out_again(log: Path) -> None:
    append(log, b"one\ntw")

    assert bytes_kept(str(log), inode(log), 7, 8) == 4
    assert log.read_bytes() == b"before\none\n"


def test_a_line_that_ends_here_without_a_newline_is_left(log: Path) -> None:
    append(log, b"one\ntwo")

    assert bytes_kept(str(log), inode(log), 7, 7) == 7
    assert log.read_bytes() == b"before\none\ntwo"


def test_a_line_that_is_older_than_the_write_is_left(log: Path) -> None:
    append(log, b"begun")
    append(log, b" and more")

    assert bytes_kept(str(log), inode(log), 12, 20) == 0
    assert log.read_bytes() == b"before\nbegun"


def test_what_went_into_newer_files_counts_too(log: Path) -> None:
    number = inode(log)
    append(log, b"one\n")
    for old, new in ((log, "a.log.2"),):
        old.rename(log.with_name(new))
    log.with_name("a.log.1").write_bytes(b"two\n")
    log.write_bytes(b"three\nfo")

    assert bytes_since(str(log), number, 7) == 4 + 4 + 8
    assert bytes_kept(str(log), number, 7, 100) == 4 + 4 + 6
    assert log.read_bytes() == b"three\n"


def test_a_rotation_that_was_not_completed_changes_nothing(log: Path) -> None:
    number = inode(log)
    append(log, b"one\n")
    log.rename(log.with_name("a.log.1"))

    assert bytes_kept(str(log), number, 7, 100) == 4


def test_a_file_under_another_name_beside_it_is_found(log: Path) -> None:
    number = inode(log)
    append(log, b"one\n")
    log.rename(log.with_name("a.log-20250101"))

    assert bytes_kept(str(log), number, 7, 100) == 4
    log.write_bytes(b"two\n")
    assert bytes_kept(str(log), number, 7, 100) == 8


@pytest.mark.parametrize("content", [None, b"", b"bef"])
def test_nothing_is_left_of_a_log_that_is_gone_or_was_cut(log: Path, content: bytes | None) -> None:
    number = inode(log)
    append(log, b"one\n")
    if content is None:
        log.unlink()
    else:
        os.truncate(log, len(content))

    assert bytes_kept(str(log), number, 7, 4) == 0


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    assert bytes_kept(str(tmp_path / "none" / "a.log"), 7, 7, 7) == 0

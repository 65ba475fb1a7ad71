"""Env files: read as data, strictly, and never through a shell."""

import os
from pathlib import Path

import pytest

from oxtrio.config.envfile import LARGEST, read_env_file
from oxtrio.errors import ConfigError


def written(folder: Path, content: str | bytes) -> str:
    path = folder / ".env"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        ("A=1", {"A": "1"}),
        ("A=", {"A": ""}),
        ("export A=1", {"A": "1"}),
        ("A = 1", {"A": "1"}),
        ("A=a b", {"A": "a b"}),
        ("A='a b'", {"A": "a b"}),
        ('A="a\\nb"', {"A": "a\nb"}),
        ('A="a\nb"', {"A": "a\nb"}),
        ("A=1 # comment", {"A": "1"}),
        ("# A=1", {}),
        ("", {}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("\ufeffA=1", {"A": "1"}),
        ("A=$(touch /tmp/pwn)`id`", {"A": "$(touch /tmp/pwn)`id`"}),
        ("A=1\nB=${A} $A ${MISSING}", {"A": "1", "B": "${A} $A ${MISSING}"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A=pa$$w{rd", {"A": "pa$$w{rd"}),
        ("LD_PRELOAD=/tmp/x.so", {"LD_PRELOAD": "/tmp/x.so"}),
    ],
)
def test_it_is_read_as_it_stands(tmp_path, line, variables):
    assert read_env_file(written(tmp_path, line)) == variables


def test_every_broken_line_is_named(tmp_path):
    path = written(tmp_path, "A=1\n\n\n  what is this\nB\nC='open\nD=1\nE=\0\n")

    with pytest.raises(ConfigError) as caught:
        read_env_file(path)

    assert caught.value.message == f"env_file {path} is not valid: 4 problems"
    assert [str(problem) for problem in caught.value.problems] == [
        f"{path}:4: is no NAME=value",
        f"{path}:5: B has no value: write B=",
        f"{path}:6: is no NAME=value",
        f"{path}:8: 'E' contains a NUL character",
    ]


def test_a_single_problem_is_counted_as_one(tmp_path):
    with pytest.raises(ConfigError, match="is not valid: 1 problem$"):
        read_env_file(written(tmp_path, "A B"))


def test_bytes_that_are_no_text_have_their_line(tmp_path):
    path = written(tmp_path, b"A=1\nB=\xff\n")

    with pytest.raises(ConfigError) as caught:
        read_env_file(path)

    assert str(caught.value.problems[0]) == f"{path}:2: is not UTF-8: byte 0xff"


def test_a_value_is_in_no_message(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_env_file(written(tmp_path, "A=hunter2\0\nhunter2 hunter2\n"))

    assert "hunter2" not in f"{caught.value.message} {caught.value.problems}"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "no such file or directory"),
        (Path.mkdir, "it is not a regular file"),
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
        (lambda path: path.symlink_to(path), "too many levels of symbolic links"),
        (lambda path: path.write_bytes(b"#" * (LARGEST + 1)), "it is larger than 1 MiB"),
    ],
    ids=["missing", "folder", "fifo", "device", "loop", "large"],
)
def test_what_cannot_be_read_says_why(tmp_path, make, why):
    path = tmp_path / ".env"
    make(path)

    with pytest.raises(ConfigError) as caught:
        read_env_file(str(path))

    assert caught.value.message == f"cannot read env_file {path}: {why}"


def test_the_largest_file_is_still_read(tmp_path):
    assert read_env_file(written(tmp_path, b"A=1\n" + b"#" * (LARGEST - 4))) == {"A": "1"}

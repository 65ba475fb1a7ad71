"""Reading oxfiles from disk."""

import os
from pathlib import Path

import pytest

from oxtrio.errors import ConfigError, Refused
from oxtrio.model.facts import Source
from oxtrio.project.oxfile import LARGEST, read_sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path


def test_the_text_is_read_as_it_is(folder):
    path = folder / "oxfile.toml"
    path.write_bytes("\ufeffa = 'é'\r\n".encode())

    assert read_sources([str(path)]) == (Source(str(path), "\ufeffa = 'é'\r\n"),)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "no such file or directory"),
        (lambda path: path.symlink_to("gone"), "no such file or directory"),
        (lambda path: path.symlink_to(path), "too many levels of symbolic links"),
        (Path.mkdir, "it is not a regular file"),
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
        (lambda path: path.write_bytes(b"#" * (LARGEST + 1)), "too large: more than 4 MiB"),
    ],
    ids=["missing", "dangling", "loop", "folder", "fifo", "device", "large"],
)
def test_what_is_no_readable_file_says_why(folder, make, why):
    path = folder / "oxfile.toml"
    make(path)

    with pytest.raises(ConfigError) as caught:
        read_sources([str(path)])

    assert str(path) in caught.value.message
    assert why in caught.value.message


def test_a_file_below_a_file_is_not_there(folder):
    (folder / "x").write_text("")

    with pytest.raises(ConfigError, match="not a directory"):
        read_sources([str(folder / "x" / "oxfile.toml")])


def test_a_byte_that_is_no_text_has_its_line(folder):
    path = folder / "oxfile.toml"
    path.write_bytes(b"a = 1\nb = '\xff'\n")

    with pytest.raises(ConfigError) as caught:
        read_sources([str(path)])

    assert caught.value.message == "oxfile.toml is not valid: 1 problem"
    assert str(caught.value.problems[0]) == f"{path}:2: not UTF-8: byte 0xff"


def test_every_file_that_cannot_be_read_is_named(folder):
    (folder / "good.toml").write_text("")
    (folder / "bytes.toml").write_bytes(b"\xff")
    paths = [str(folder / name) for name in ("gone.toml", "good.toml", "bytes.toml")]

    with pytest.raises(ConfigError) as caught:
        read_sources(paths)

    assert caught.value.message == "2 files cannot be read"
    assert [problem.file for problem in caught.value.problems] == [paths[0], paths[2]]


class TestWritableForEverybody:
    @pytest.fixture(autouse=True)
    def as_root(self, monkeypatch):
        monkeypatch.setattr("oxtrio.project.oxfile.os.geteuid", lambda: 0)

    def test_a_file_is_refused_by_root(self, folder):
        path = folder / "oxfile.toml"
        path.write_text("")
        path.chmod(0o666)

        with pytest.raises(Refused, match="anybody can write it") as caught:
            read_sources([str(path)])

        assert "chmod o-w" in caught.value.hint

    @pytest.mark.parametrize("mode", [0o777, 0o1777])
    def test_so_is_one_in_such_a_folder(self, folder, mode):
        path = folder / "oxfile.toml"
        path.write_text("")
        folder.chmod(mode)

        with pytest.raises(Refused, match="anybody can write to its folder"):
            read_sources([str(path)])

    def test_so_is_a_link_to_one_in_such_a_folder(self, folder):
        (folder / "open").mkdir()
        (folder / "open").chmod(0o777)
        (folder / "open" / "x.toml").write_text("")
        path = folder / "oxfile.toml"
        path.symlink_to("open/x.toml")

        with pytest.raises(Refused):
            read_sources([str(path)])

    def test_everybody_else_decides_for_himself(self, folder, monkeypatch):
        monkeypatch.setattr("oxtrio.project.oxfile.os.geteuid", lambda: 4242)
        path = folder / "oxfile.toml"
        path.write_text("")
        path.chmod(0o666)
        folder.chmod(0o777)

        assert read_sources([str(path)])

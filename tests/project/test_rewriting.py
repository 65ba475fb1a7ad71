"""An oxfile is written anew whole, or not at all."""

import os
import stat
from pathlib import Path

import pytest

from oxtrio.errors import OxtrioError, Refused
from oxtrio.project.rewriting import check_rewritable, rewrite


@pytest.fixture
def oxfile(tmp_path: Path) -> Path:
    path = tmp_path / "oxfile.toml"
    path.write_text("old")
    return path


def test_the_new_text_takes_the_place_of_the_old(oxfile):
    rewrite(str(oxfile), "nëw\r\n")

    assert oxfile.read_bytes() == "nëw\r\n".encode()
    assert os.listdir(oxfile.parent) == ["oxfile.toml"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_mode_stays(oxfile, mode):
    oxfile.chmod(mode)

    rewrite(str(oxfile), "new")

    assert stat.S_IMODE(oxfile.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_stays(oxfile):
    os.chown(oxfile, 12345, 23456)

    rewrite(str(oxfile), "new")

    assert (oxfile.stat().st_uid, oxfile.stat().st_gid) == (12345, 23456)


def test_a_link_stays_and_what_it_leads_to_is_written(oxfile):
    (oxfile.parent / "releases").mkdir()
    link = oxfile.parent / "releases" / "current.toml"
    link.symlink_to("../oxfile.toml")

    rewrite(str(link), "new")

    assert link.is_symlink()
    assert oxfile.read_text() == "new"


@pytest.mark.parametrize("step", ["replace", "fchmod", "fsync"])
def test_when_it_fails_nothing_has_changed(oxfile, monkeypatch, step):
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"oxtrio.project.rewriting.os.{step}", fail)

    with pytest.raises(OxtrioError, match="cannot write '.*': no space left on device"):
        rewrite(str(oxfile), "new")
    monkeypatch.undo()

    assert oxfile.read_text() == "old"
    assert os.listdir(oxfile.parent) == ["oxfile.toml"]


def test_a_file_that_is_gone_is_no_bug(tmp_path):
    with pytest.raises(OxtrioError, match="no such file"):
        rewrite(str(tmp_path / "gone"), "new")


def test_what_can_be_told_beforehand_is(oxfile, monkeypatch):
    check_rewritable(str(oxfile))

    monkeypatch.setattr("oxtrio.project.rewriting.os.geteuid", lambda: 54321)
    with pytest.raises(Refused, match="would not be its owner's"):
        check_rewritable(str(oxfile))

    monkeypatch.setattr(
        "oxtrio.project.rewriting.os.access", lambda path, mode: path == str(oxfile)
    )
    with pytest.raises(Refused, match="its folder cannot be written to"):
        check_rewritable(str(oxfile))

    monkeypatch.setattr("oxtrio.project.rewriting.os.access", lambda path, mode: False)
    with pytest.raises(Refused, match="permission denied"):
        check_rewritable(str(oxfile))

"""Cgroups are made where they are ours to make, and nowhere else."""

import os
from pathlib import Path

import pytest

from oxtrio.system import delegation
from oxtrio.system.cgroup import Hierarchy
from oxtrio.system.delegation import Ground, NoGround, find_ground
from tests.e2e.kit import needs_root

UNIT = "system.slice/oxtrio.service"
SESSION = "user.slice/user-1000.slice/session-3.scope"
OF_A_USER = "user.slice/user-1000.slice/user@1000.service"


@pytest.fixture
def cgroupfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a mount of cgroup2 on a machine that systemd manages."""
    mount, systemd = tmp_path / "cgroup", tmp_path / "systemd"
    mount.mkdir()
    systemd.mkdir()
    monkeypatch.setattr(delegation, "SYSTEMD", str(systemd))
    real, really = os.mkdir, os.rmdir

    def make(path: str, mode: int = 0o777) -> None:
        real(path, mode)
        Path(path, "cgroup.kill").touch()
        Path(path, "cgroup.type").write_text("domain\n")

    def remove(path: str) -> None:
        for each in Path(path).iterdir():
            each.unlink()
        really(path)

    monkeypatch.setattr(delegation.os, "mkdir", make)
    monkeypatch.setattr(delegation.os, "rmdir", remove)
    return mount


@pytest.fixture
def live_in(cgroupfs: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts us into a cgroup, those above it having been delegated as said."""

    def put(path: str, *delegated: str, read_only: bool = False) -> Path:
        own = cgroupfs / path
        for each in [own, *own.parents]:
            if each.is_relative_to(cgroupfs):
                each.mkdir(parents=True, exist_ok=True)
                (each / "cgroup.procs").touch()
        marked = {str(cgroupfs / each) for each in delegated}
        hierarchy = Hierarchy(str(cgroupfs), "/", read_only)
        monkeypatch.setattr(delegation, "hierarchies", lambda: [hierarchy])
        monkeypatch.setattr(
            delegation,
            "_attribute",
            lambda folder, name: b"1" if folder in marked and name == "user.delegate" else b"",
        )
        monkeypatch.setattr("oxtrio.system.cgroup.cgroup_of", lambda pid: f"/{path}".rstrip("/"))
        return own

    return put


def why() -> str:
    found = find_ground()
    assert isinstance(found, NoGround)
    return found.why


def is_ground(folder: Path) -> bool:
    found = find_ground()
    left = [each for each in folder.iterdir() if each.is_dir()]
    return isinstance(found, Ground) and found.folder == str(folder) and left == []


def test_a_unit_that_systemd_has_delegated_is_ours(live_in):
    assert is_ground(live_in(UNIT, UNIT))


def test_so_is_what_somebody_has_made_below_it(live_in):
    assert is_ground(live_in(f"{UNIT}/inner/most", UNIT))


@pytest.mark.parametrize("unit", [UNIT, SESSION, "init.scope", ""])
@needs_root
def test_a_unit_without_delegation_is_systemds_even_where_we_could_write(live_in, unit: str):
    live_in(unit)

    assert "is systemd's" in why()


@needs_root
def test_what_the_systemd_of_a_user_manages_is_not_delegated_because_that_one_was(live_in):
    live_in(f"{OF_A_USER}/app.slice/oxtrio.service", OF_A_USER)

    assert "is systemd's" in why()


@pytest.mark.parametrize("own", ["a", ""])
def test_without_systemd_our_own_cgroup_is_ours(live_in, monkeypatch: pytest.MonkeyPatch, own: str):
    monkeypatch.setattr(delegation, "SYSTEMD", "/nonexistent")

    assert is_ground(live_in(own))


def test_a_mount_that_is_read_only_serves_nobody(live_in):
    live_in("", read_only=True)

    assert "is mounted read-only" in why()


def test_without_a_mount_there_is_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(delegation, "hierarchies", list)

    assert why() == "there is no cgroup v2 here"


def test_a_cgroup_outside_of_what_is_mounted_is_not_visible(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(delegation, "hierarchies", lambda: [Hierarchy("/cg", "/elsewhere")])
    monkeypatch.setattr("oxtrio.system.cgroup.cgroup_of", lambda pid: "/here")

    assert "not visible" in why()


def test_an_old_kernel_cannot_kill_a_cgroup(live_in, monkeypatch: pytest.MonkeyPatch):
    live_in(UNIT, UNIT)
    monkeypatch.setattr(delegation.os.path, "exists", lambda path: "cgroup.kill" not in path)

    assert "Linux 5.14" in why()


def test_a_threaded_cgroup_has_none_for_processes(live_in, monkeypatch: pytest.MonkeyPatch):
    live_in(UNIT, UNIT)
    make = delegation.os.mkdir

    def threaded(path: str) -> None:
        make(path)
        Path(path, "cgroup.type").write_text("domain invalid\n")

    monkeypatch.setattr(delegation.os, "mkdir", threaded)

    assert "is for threads" in why()


def test_who_may_not_write_there_is_told(live_in, monkeypatch: pytest.MonkeyPatch):
    live_in(UNIT, UNIT)

    def refused(path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(delegation.os, "mkdir", refused)

    assert "cannot be written to: Permission denied" in why()

"""What a machine can be short of, for one project alone: room on a disk, processes, memory."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.processes import eventually

WITHOUT = Path(__file__).parents[1] / "fixtures" / "without.py"
CGROUPS = Path("/sys/fs/cgroup")


class Disk:
    """A file system of its own at *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, *, leave: int = 0) -> None:
        """Leave room for *leave* bytes, in whole pages."""
        there = os.statvfs(self.folder)
        with self._filler.open("ab") as file:
            file.write(bytes(max(0, there.f_bavail * there.f_bsize - leave)))

    def empty(self) -> None:
        """There is room again."""
        self._filler.unlink()


@contextmanager
def disk(folder: Path, kib: int) -> Iterator[Disk]:
    """A disk of *kib* KiB at *folder*; skips where mounting is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={kib}k,mode=755", "tmpfs"):
        yield Disk(folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing can be written below *folder*."""
    with _mounted(folder, "--bind", str(folder)):
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield


@contextmanager
def _mounted(folder: Path, *how: str) -> Iterator[None]:
    done = subprocess.run(["mount", *how, folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        # Whoever still has files open there keeps them; nobody finds it any more.
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def cgroup(controller: str, name: str, **limits: int) -> Iterator[Path]:
    """A cgroup (v1) with *limits*, by the names of their files; skips where there is none."""
    parent = CGROUPS / controller
    if not (parent / "cgroup.procs").exists() or not os.access(parent, os.W_OK):
        pytest.skip(f"there is no cgroup v1 of {controller} here")
    folder = parent / name
    folder.mkdir()
    try:
        for key, limit in limits.items():
            (folder / f"{controller}.{key}").write_text(str(limit))
        yield folder
    finally:
        eventually(lambda: _is_removed(folder), f"{folder} to be empty")


def _is_removed(folder: Path) -> bool:
    for pid in (folder / "cgroup.procs").read_text().split():
        # What is left when the test ends is the project's, which ends it next.
        (folder.parent / "cgroup.procs").write_text(pid)
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def inside(folder: Path) -> tuple[str, ...]:
    """In front of a command: it joins the cgroup *folder*."""
    return ("sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$0" "$@"')


def without(*calls: str) -> tuple[str, ...]:
    """In front of a command: for it and all that it starts the kernel does not have *calls*."""
    return (sys.executable, "-IS", str(WITHOUT), ",".join(calls))

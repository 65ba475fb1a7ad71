"""A home of one's own for each test, and supervisors that only seem to run."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from oxtrio.project.folders import RunningProject, describe, folders, prepare
from oxtrio.project.locate import Project
from oxtrio.project.lock import Lock

Serve = Callable[[Project], None]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private folder that is the home, with a project folder `shop` that is the current one."""
    home = tmp_path / "home"
    (home / "shop").mkdir(parents=True, mode=0o755)
    home.chmod(0o755)
    monkeypatch.chdir(home / "shop")
    return home


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PWD": str(home / "shop"), "OXTRIO_HOME": str(home / ".ox")}


@pytest.fixture
def serve(environ: dict[str, str]) -> Iterator[Serve]:
    """Seems to run a project: its lock is held, its description is there."""
    with ExitStack() as running:

        def serve(project: Project) -> None:
            where = folders(project.id, environ)
            prepare(where)
            assert where.lock is not None
            lock = Lock(where.lock)
            running.callback(lock.release)
            describe(
                where,
                RunningProject(
                    id=project.id,
                    name=project.name,
                    identity=project.identity,
                    files=project.files,
                    pid=os.getpid(),
                ),
            )

        yield serve


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for the uid hears of one that is not root's, and owns the test's files."""
    uid = 4242
    owned = os.lstat

    def lstat(path: str) -> os.stat_result:
        found = list(owned(path))
        found[4] = uid
        return os.stat_result(found)

    monkeypatch.setattr("oxtrio.project.folders.os.geteuid", lambda: uid)
    monkeypatch.setattr("oxtrio.project.folders.os.lstat", lstat)

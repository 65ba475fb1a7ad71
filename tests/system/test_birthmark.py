"""Every process of a run is born with a mark that outlives whatever the run does to itself."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oxtrio.system import birthmark as module
from oxtrio.system.birthmark import (
    RLIMIT_LOCKS,
    birthmark,
    birthmark_of,
    has_birthmarks,
    inherited,
)
from tests.e2e.kit import NOBODY, needs_root

RUN = "0123456789abcdef"

pytestmark = pytest.mark.skipif(not has_birthmarks(), reason="RLIMIT_LOCKS is not handed on here")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that was spawned as one of the run."""
    with inherited(RUN):
        process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_birthmark_follows_from_the_id_alone():
    assert birthmark(RUN) == birthmark(RUN)
    assert len({birthmark(str(number)) for number in range(1000)}) == 1000


def test_a_birthmark_restricts_nobody_and_is_not_endless():
    assert all(1 << 61 <= birthmark(str(each)) < 1 << 62 for each in range(1000))


def test_what_is_spawned_inside_has_it_and_we_have_not(sleeper: subprocess.Popen[bytes]):
    assert birthmark_of(sleeper.pid) == birthmark(RUN)
    assert birthmark_of(os.getpid()) is None


def test_without_a_run_nothing_changes():
    before = resource.getrlimit(RLIMIT_LOCKS)

    with inherited(""):
        assert resource.getrlimit(RLIMIT_LOCKS) == before
    assert resource.getrlimit(RLIMIT_LOCKS) == before


def test_it_is_taken_back_when_the_spawn_fails():
    with pytest.raises(FileNotFoundError), inherited(RUN):
        subprocess.Popen(["/nonexistent"])

    assert birthmark_of(os.getpid()) is None


def test_a_process_that_is_gone_has_none(sleeper: subprocess.Popen[bytes]):
    sleeper.kill()
    sleeper.wait()

    assert birthmark_of(sleeper.pid) is None


def test_a_nested_run_has_that_of_the_inner_one():
    with inherited("outer"):
        with inherited("inner"):
            assert birthmark_of(os.getpid()) == birthmark("inner")
        assert birthmark_of(os.getpid()) == birthmark("outer")


@pytest.mark.slow
def test_a_new_session_and_an_empty_environment_do_not_remove_it():
    look = "import os; from oxtrio.system.birthmark import *; print(birthmark_of(os.getpid()))"
    with inherited(RUN):
        said = subprocess.run(
            ["setsid", "-w", "env", "-i", sys.executable, "-c", look],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        ).stdout

    assert int(said) == birthmark(RUN)


@needs_root
@pytest.mark.slow
def test_another_user_has_it_too():
    with inherited(RUN):
        process = subprocess.Popen([*NOBODY, "sleep", "60"])
    try:
        assert birthmark_of(process.pid) == birthmark(RUN)
    finally:
        process.kill()
        process.wait()


def test_whose_limits_we_may_not_change_it_is_read_from_a_file(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
):
    def refused(pid: int, which: int) -> tuple[int, int]:
        raise PermissionError

    monkeypatch.setattr(module.resource, "prlimit", refused)

    assert birthmark_of(sleeper.pid) == birthmark(RUN)
    assert birthmark_of(os.getpid()) is None
    assert birthmark_of(1 << 30) is None


@pytest.mark.slow
def test_a_hard_limit_below_it_leaves_everything_as_it_was():
    text = (
        "import resource\n"
        "from oxtrio.system.birthmark import *\n"
        "resource.setrlimit(RLIMIT_LOCKS, (5, 7))\n"
        "with inherited('x'):\n"
        "    assert resource.getrlimit(RLIMIT_LOCKS) == (5, 7)\n"
        "assert resource.getrlimit(RLIMIT_LOCKS) == (5, 7)\n"
        "assert not has_birthmarks()\n"
    )

    subprocess.run([sys.executable, "-c", text], cwd=Path(__file__).parents[2], check=True)

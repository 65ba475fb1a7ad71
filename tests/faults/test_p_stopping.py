"""P01-P08, P26-P28: a stop ends all of a run, in its time, and says what it could not do."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from oxtrio.model.order import Verb
from oxtrio.model.spec import StopSpec
from oxtrio.model.state import State
from tests.e2e.kit import FIXTURES, PYTHON, Ox, needs_root
from tests.e2e.processes import DEADLINE, alive
from tests.engine import an_app, engine
from tests.faults.invariants import never_two, who_lives

pytestmark = pytest.mark.slow

STUBBORN = f"{PYTHON} {FIXTURES}/stubborn.py ready TERM INT HUP"


def test_p01_what_is_deaf_has_all_of_its_patience_and_its_end_is_told(ox: Ox):
    ox.up(f'[processes.a]\ncommand = "{STUBBORN}"\nstop_timeout_ms = 700\nstart_secs = 0\n')
    ox.content("ready")

    ox.done("stop", "a")

    row = ox.rows()["a"]
    assert (row["status"], row["exit"]["signal"]) == ("stopped", "SIGKILL")
    assert row["reason"] == "stopped by the operator, with SIGKILL"
    assert "had not ended by SIGTERM" in ox.done("why", "a")
    at = {each["kind"]: each["at"] for each in ox.events() if each["name"] == "a"}
    told, killed, gone = (
        datetime.fromisoformat(at[kind]) for kind in ("asked_to_stop", "killed", "gone")
    )
    assert (killed - told).total_seconds() >= 0.7
    assert killed <= gone
    assert (gone - told).total_seconds() < 5.0


def test_p05_a_grandchild_that_holds_the_output_delays_neither_the_end_nor_a_stop(ox: Ox):
    """That its later words are kept: tests/process/test_run.py."""
    holder = f"{PYTHON} {FIXTURES}/pipeholder.py never"
    ox.up(f'[processes.a]\ncommand = "{holder}"\nrestart_on_exit = false\n', "canary")

    ox.refused(1, "start", "a")

    row = ox.rows()["a"]
    assert (row["status"], row["exit"]["code"], row["leftover"]) == ("crashed", 3, 1)
    assert "first words" in ox.done("logs", "a")
    [holding] = who_lives(ox, "a")
    ox.refused(1, "restart", "a")
    assert not alive(holding)
    ox.done("stop")  # pipeholder.py would stay for a minute
    assert ox.ours() == []


@pytest.fixture
def freezer() -> Iterator[Path]:
    """A cgroup (v1) in which not even SIGKILL arrives."""
    yield from a_group("freezer", "freezer.state")


@pytest.fixture
def few_pids() -> Iterator[Path]:
    """A cgroup (v1) in which no more than 150 processes and threads live."""
    for group in a_group("pids", "pids.max"):
        (group / "pids.max").write_text("150")
        yield group


def a_group(controller: str, needed: str) -> Iterator[Path]:
    group = Path(f"/sys/fs/cgroup/{controller}/oxtrio-test-{os.getpid()}")
    with suppress(OSError):
        group.mkdir()
    if not (group / needed).exists():
        with suppress(OSError):
            group.rmdir()
        pytest.skip(f"needs root and the controller {controller} of cgroup v1")
    try:
        yield group
    finally:
        remove(group)


def remove(group: Path) -> None:
    with suppress(OSError):
        (group / "freezer.state").write_text("THAWED")
    deadline = time.monotonic() + DEADLINE
    while pids := (group / "cgroup.procs").read_text().split():
        assert time.monotonic() < deadline, f"{group} is not empty"
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(int(pid), 9)
        time.sleep(0.02)
    group.rmdir()


async def test_p08_what_could_not_be_killed_is_stopped_as_soon_as_it_is_gone(
    tmp_path: Path, freezer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it is called stuck, and that no second one is started: tests/process/test_run.py."""
    monkeypatch.setattr("oxtrio.process.stop.STUCK_AFTER", 0.2)
    async with engine(tmp_path, an_app("s", "sleep 600", stop=StopSpec(timeout=0.1))) as here:
        await here.start()
        pid = here.pid("s")
        (freezer / "cgroup.procs").write_text(str(pid))
        (freezer / "freezer.state").write_text("FROZEN")
        report = await here.order(Verb.STOP, "s")
        assert not report.ok
        assert here.status("s").status is State.STUCK

        (freezer / "freezer.state").write_text("THAWED")

        await here.until(lambda: here.status("s").status is State.STOPPED)
        assert not alive(pid)


def test_p21_a_start_during_a_stop_makes_one_after_the_other(ox: Ox):
    ox.up(f'[processes.a]\ncommand = "{STUBBORN}"\nstop_timeout_ms = 700\nstart_secs = 0\n')
    old = int(ox.content("ready"))

    with never_two(ox, "a") as sampler:
        stopping = ox.foreground("stop", "a")
        ox.becomes("a", "stopping")
        ox.done("start", "a")
        new = ox.pid("a")
        ox.eventually(lambda: new in sampler.seen["a"], "a look at the second")

    assert stopping.process.wait(DEADLINE) in (0, 1)
    assert sampler.seen["a"] == {old, new}
    assert ox.rows()["a"]["status"] == "running"


LEAVING = {"setsid": "setsid sh -c 'sleep 3600; true'", "bash": "bash leaving.sh"}


@pytest.mark.parametrize("manner", LEAVING)
def test_p26_what_leaves_its_session_or_its_group_is_reached(ox: Ox, manner: str):
    ox.write("set -m\nsleep 3600 &\nsleep 3600 &\nwait\n", "leaving.sh")
    text = f'command = "{LEAVING[manner]}"\nstop_timeout_ms = 60000\nstart_secs = 0\n'
    ox.write(f"[processes.a]\n{text}")
    ox.done("start")

    def sleeping() -> list[psutil.Process]:
        return [each for each in ox.ours() if each.name() == "sleep"]

    count = 1 if manner == "setsid" else 2
    ox.eventually(lambda: len(sleeping()) == count, "all of it to be there")
    assert ox.rows()["a"]["pid"] not in {os.getpgid(each.pid) for each in sleeping()}

    ox.done("stop", "a")

    assert sleeping() == []
    assert who_lives(ox, "a") == []


@needs_root
def test_p27_a_fork_bomb_that_has_used_up_all_processes_is_stopped(few_pids: Path, ox: Ox):
    ox.write(
        "[processes.bomb]\n"
        "command = 'while :; do (setsid sleep 3600 &); done'\n"
        "stop_timeout_ms = 300\nstart_secs = 0\nenabled = false\n"
        '[processes.after]\ncommand = "sleep 3600"\nstart_secs = 0\nenabled = false\n'
        '[processes.canary]\ncommand = "sleep 3600"\nstart_secs = 0\n'
    )
    joined = ("sh", "-c", f'echo $$ > {few_pids}/cgroup.procs; exec "$@"', "join")
    ox.done("start", prefix=joined)
    canary = ox.pid("canary")
    refused = few_pids / "pids.events"
    ox.done("start", "bomb", "--no-wait")
    ox.eventually(lambda: int(refused.read_text().split()[-1]) > 0, "no process to be left")

    ox.done("stop", "bomb")

    assert who_lives(ox, "bomb") == []
    ox.done("start", "after")
    assert (ox.rows()["after"]["status"], ox.pid("canary")) == ("running", canary)

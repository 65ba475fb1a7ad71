"""Real runs from spawn to the end of all that they started."""

import os
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from oxtrio.model.order import Verb
from oxtrio.model.spec import IdentitySpec, LogSpec, RestartSpec, StopSpec
from oxtrio.model.state import State
from oxtrio.process.record import records_in
from oxtrio.system.proc import stat_of
from tests.engine import (
    an_app,
    descriptors,
    engine,
    eventually,
    is_alive,
    kill,
    program,
    read_pid,
)

pytestmark = pytest.mark.slow

ONCE = RestartSpec(always=False)
HASTY = StopSpec(timeout=0.2)


def frozen() -> Path | None:
    """A freezer of cgroup v1, in which not even SIGKILL arrives."""
    for place in (Path("/sys/fs/cgroup/freezer"), Path("/cgroup/freezer")):
        if os.access(place, os.W_OK) and (place / "cgroup.procs").exists():
            return place
    return None


@pytest.fixture
def freezer() -> Iterator[Path]:
    place = frozen()
    if place is None or os.geteuid() != 0:
        pytest.skip("needs root and the freezer of cgroup v1")
    group = place / f"oxtrio-test-{os.getpid()}"
    group.mkdir()
    yield group
    (group / "freezer.state").write_text("THAWED")
    for pid in (group / "cgroup.procs").read_text().split():
        kill(int(pid))
    while (group / "cgroup.procs").read_text():
        time.sleep(0.01)
    group.rmdir()


async def test_who_ignores_the_stop_signal_is_killed_and_that_is_told(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = program("stubborn.py", str(ready), "TERM", "INT", "HUP")
    async with engine(tmp_path, an_app("s", command, stop=HASTY)) as here:
        await here.start()
        await eventually(lambda: read_pid(ready))

        report = await here.order(Verb.STOP, "s")

        assert report.ok
        assert here.status("s").status is State.STOPPED
        last = here.status("s").exit
        assert last is not None
        assert last.signal == "SIGKILL"


async def test_a_stopped_process_dies_of_the_first_signal_of_a_stop(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("s", "sleep 600")) as here:
        await here.start()
        kill(here.pid("s"), signal.SIGSTOP)
        await here.until(lambda: here.status("s").status is State.PAUSED)

        await here.order(Verb.STOP, "s")

        last = here.status("s").exit
        assert last is not None
        assert last.signal == "SIGTERM"


async def test_a_process_that_goes_on_after_a_stop_is_running_again(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("s", "sleep 600")) as here:
        await here.start()
        pid = here.pid("s")
        kill(pid, signal.SIGSTOP)
        await here.until(lambda: here.status("s").status is State.PAUSED)
        kill(pid, signal.SIGCONT)
        await here.until(lambda: here.status("s").status is State.RUNNING)

        assert here.pid("s") == pid


async def test_only_the_stop_signal_of_the_app_arrives_and_only_once(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    stop = StopSpec(signal=signal.SIGINT, timeout=0.2)
    app = an_app("s", program("trapmark.py", str(heard), "deaf"), stop=stop)
    async with engine(tmp_path, app) as here:
        await here.start()
        await eventually(lambda: _words(heard))

        await here.order(Verb.STOP, "s")

        lines = heard.read_text().split()
        # SIGCONT follows, as a stopped process would hear nothing.
        assert [line for line in lines if line != "SIGCONT"] == ["ready", "SIGINT"]
        assert lines.count("SIGCONT") == 1
        last = here.status("s").exit
        assert last is not None
        assert last.signal == "SIGKILL"


async def test_the_group_hears_the_stop_signal_where_the_oxfile_says_so(tmp_path: Path) -> None:
    heard = [tmp_path / "a", tmp_path / "b"]
    worker = f"{' '.join(program('trapmark.py', str(heard[0])))} & "
    command = f"{worker} exec {' '.join(program('trapmark.py', str(heard[1])))}"
    app = an_app("s", command, stop=StopSpec(to_group=True, timeout=30))
    async with engine(tmp_path, app) as here:
        await here.start()
        await eventually(lambda: all(map(_words, heard)))

        await here.order(Verb.STOP, "s")

        assert all("SIGTERM" in path.read_text().split() for path in heard)


async def test_workers_are_left_to_their_master(tmp_path: Path) -> None:
    heard = [tmp_path / "worker", tmp_path / "master"]
    worker = f"{' '.join(program('trapmark.py', str(heard[0])))} & "
    command = f"{worker} exec {' '.join(program('trapmark.py', str(heard[1]), 'deaf'))}"
    async with engine(tmp_path, an_app("s", command, stop=HASTY)) as here:
        await here.start()
        await eventually(lambda: all(map(_words, heard)))

        await here.order(Verb.STOP, "s")

        assert "SIGTERM" in heard[1].read_text().split()
        assert heard[0].read_text().split() == ["ready"]


@pytest.mark.parametrize("named_pipes", [True, False], ids=["named", "anonymous"])
async def test_a_grandchild_that_holds_the_output_delays_nothing_and_is_heard(
    tmp_path: Path, named_pipes: bool
) -> None:
    gate = tmp_path / "gate"
    app = an_app("s", program("pipeholder.py", str(gate)), restart=ONCE)
    async with engine(tmp_path, app, named_pipes=named_pipes) as here:
        report = await here.order(Verb.START)
        assert [failure.reason for failure in report.failures] == ["exit code 3"]
        assert here.status("s").status is State.CRASHED
        assert here.status("s").leftover == 1
        await eventually(lambda: "first words" in here.log("s"))
        assert "last words" not in here.log("s")

        gate.touch()

        await eventually(lambda: "last words" in here.log("s"))
        await here.until(lambda: here.instance("s").is_down)
        assert here.status("s").leftover == 0


@pytest.mark.parametrize("verb", [Verb.STOP, Verb.RESTART])
async def test_a_grandchild_that_holds_the_output_goes_with_the_next_order(
    tmp_path: Path, verb: Verb
) -> None:
    app = an_app("s", program("pipeholder.py", str(tmp_path / "never")), restart=ONCE)
    async with engine(tmp_path, app) as here:
        await here.order(Verb.START)
        [left] = here.instance("s").run.pids()  # type: ignore[union-attr]

        await here.order(verb, "s")

        assert not is_alive(left)


async def test_a_process_without_output_runs_on(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("s", "exec >&- 2>&-; exec sleep 600")) as here:
        await here.start()
        pid = here.pid("s")
        await eventually(lambda: len(os.listdir(f"/proc/{pid}/fd")) == 1)
        before = len(here.told())
        await trio.testing.wait_all_tasks_blocked(0.05)

        assert (here.status("s").status, len(here.told())) == (State.RUNNING, before)


async def test_a_daemon_is_ended_before_each_restart(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"setsid -f sh -c 'echo $$ >> {pids}; exec sleep 600'; exit 1"
    app = an_app("s", script, restart=RestartSpec(delay=0.0, limit=3), stop=StopSpec(timeout=30))
    async with engine(tmp_path, app) as here:
        await here.order(Verb.START)
        most = 0
        while here.status("s").status is not State.CRASHED:
            most = max(most, sum(map(is_alive, map(int, _words(pids)))))
            await trio.sleep(0.002)

        assert most <= 1
        assert here.status("s").restarts == 3
        await here.order(Verb.STOP, "s")
        assert not any(map(is_alive, map(int, _words(pids))))


def _words(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


async def test_what_survives_sigkill_is_stuck_until_it_is_gone(
    tmp_path: Path, freezer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oxtrio.process.stop.STUCK_AFTER", 0.3)
    app = an_app("s", "sleep 600", stop=HASTY)
    async with engine(tmp_path, app) as here:
        await here.start()
        pid = here.pid("s")
        (freezer / "cgroup.procs").write_text(str(pid))
        (freezer / "freezer.state").write_text("FROZEN")

        report = await here.order(Verb.STOP, "s")

        assert [failure.reason for failure in report.failures] == [
            f"still there after SIGKILL: pid {pid}"
        ]
        assert here.status("s").status is State.STUCK
        await here.order(Verb.START, "s", wait=False)
        assert here.pid("s") == pid
        (freezer / "freezer.state").write_text("THAWED")
        await here.until(lambda: here.status("s").status is State.RUNNING)

        assert here.pid("s") != pid


async def test_a_crash_loop_leaks_nothing(tmp_path: Path) -> None:
    app = an_app("s", ("/bin/false",), restart=RestartSpec(delay=0.0, delay_max=0.0, limit=0))
    async with engine(tmp_path, app, an_app("canary", "sleep 600")) as here:
        await here.order(Verb.START)
        canary, before = here.pid("canary"), descriptors()
        await here.until(lambda: here.status("s").restarts >= 30)

        await here.order(Verb.STOP, "s")

        assert abs(descriptors() - before) <= 8
        assert here.pid("canary") == canary
        assert len(os.listdir(tmp_path / "runs")) <= 5


async def test_many_lines_of_real_writers_are_complete_and_in_order(tmp_path: Path) -> None:
    app = an_app("s", program("numbered.py", "3000", "90"), restart=ONCE, instances=4)
    async with engine(tmp_path, app) as here:
        await here.order(Verb.START, wait=False)
        await here.until(lambda: all(i.is_down and i.past for i in here.supervisor.instances()))

        lines = [line.split() for line in here.log("s").splitlines()]
    assert len(lines) == 4 * 3000
    counts = [0] * 3000
    for number, *rest in lines:
        counts[int(number)] += 1
        assert "".join(rest) == "x" * (int(number) * 7919 % 90)
    assert counts == [4] * 3000


async def test_two_streams_of_one_file_never_tear_a_line(tmp_path: Path) -> None:
    app = an_app("s", program("numbered.py", "6000", "90", "both"), restart=ONCE)
    async with engine(tmp_path, app) as here:
        await here.order(Verb.START, wait=False)
        await here.until(lambda: here.instance("s").is_down and here.instance("s").past is not None)

        numbers = [int(line.split()[0]) for line in here.log("s").splitlines()]
    assert [number for number in numbers if number % 2 == 0] == list(range(0, 6000, 2))
    assert [number for number in numbers if number % 2] == list(range(1, 6000, 2))


async def test_the_last_words_of_a_crash_are_kept_and_told(tmp_path: Path) -> None:
    app = an_app("s", "echo almost; printf 'no newline' >&2; exit 4", restart=ONCE)
    async with engine(tmp_path, app) as here:
        report = await here.order(Verb.START)

        assert sorted(report.failures[0].last_lines) == ["almost", "no newline"]
        await here.until(lambda: here.instance("s").is_down)
    assert sorted((tmp_path / "logs" / "s.log").read_text().split("\n"))[-2:] == [
        "almost",
        "no newline",
    ]


async def test_a_run_is_recorded_while_it_lives(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("s", "sleep 600")) as here:
        await here.start()
        [(path, record)] = list(records_in(str(tmp_path / "runs")))
        found = stat_of(here.pid("s"))

        assert record is not None
        assert found is not None
        assert (record.name, record.pid, record.started) == ("s", found.pid, found.started)
        assert record.is_alive
        assert stat.S_ISFIFO(os.stat(path.replace(".json", ".out")).st_mode)


async def test_a_runtime_folder_that_is_gone_keeps_no_app_down(tmp_path: Path) -> None:
    async with engine(tmp_path, an_app("s", "echo hello; exec sleep 600")) as here:
        shutil.rmtree(tmp_path / "runs")
        await here.start()
        await eventually(lambda: "hello" in here.log("s"))
        await here.order(Verb.STOP, "s")
        (tmp_path / "runs").mkdir()


async def test_a_missing_folder_is_named_and_helps_itself_when_it_is_made(tmp_path: Path) -> None:
    app = an_app("s", "sleep 600", working_dir=str(tmp_path / "later"))
    async with engine(tmp_path, app) as here:
        report = await here.order(Verb.START)
        assert report.failures[0].reason == f"working_dir '{tmp_path}/later' does not exist"

        (tmp_path / "later").mkdir()

        await here.until(lambda: here.status("s").status is State.RUNNING)
        assert os.readlink(f"/proc/{here.pid('s')}/cwd") == f"{tmp_path}/later"


async def test_a_link_to_a_folder_is_followed_at_every_start(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "current").symlink_to("one")
    app = an_app("s", "sleep 600", working_dir=str(tmp_path / "current"))
    async with engine(tmp_path, app) as here:
        await here.start()
        assert os.readlink(f"/proc/{here.pid('s')}/cwd").endswith("/one")
        (tmp_path / "current").unlink()
        (tmp_path / "current").symlink_to("two")

        await here.order(Verb.RESTART, "s")

        assert os.readlink(f"/proc/{here.pid('s')}/cwd").endswith("/two")


async def test_it_finds_the_environment_that_the_contract_names(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("FROM_FILE=1\nBOTH=file\n")
    app = an_app(
        "s",
        "env; exec sleep 600",
        env=(("BOTH", "spec"), ("NUMBER", "n${instance}")),
        env_files=(str(tmp_path / "env"),),
        instances=2,
        logs=LogSpec(file=str(tmp_path / "s-${instance}.out")),
    )
    async with engine(tmp_path, app) as here:
        await here.start()
        path = tmp_path / "s-1.out"
        await eventually(lambda: path.exists() and "OXTRIO_SOCKET" in path.read_text())
        found = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)

        assert (found["BOTH"], found["FROM_FILE"], found["NUMBER"]) == ("spec", "1", "n1")
        assert (found["OXTRIO_NAME"], found["OXTRIO_INSTANCE_ID"]) == ("s", "1")
        assert found["OXMGR_INSTANCE_ID"] == "1"
        assert found["PYTHONUNBUFFERED"] == "1"
        run = here.instance("s:1").run
        assert run is not None
        assert found["OXTRIO_RUN_ID"] == run.run_id


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_another_user_writes_to_its_own_stdout_and_is_stopped(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    script = "id -un > /dev/stdout; echo $HOME $USER > /dev/stderr; exec sleep 600"
    app = an_app("s", script, identity=IdentitySpec(user="nobody"))
    async with engine(tmp_path, app) as here:
        await here.start()
        await eventually(lambda: here.log("s").count("\n") == 2)

        assert sorted(here.log("s").splitlines())[1] == "nobody"
        assert here.log("s").count("nobody") == 2


async def test_an_app_that_signals_its_own_group_reaches_nobody_else(tmp_path: Path) -> None:
    hostile = an_app("s", "kill -INT 0; sleep 1; exit 9", restart=ONCE)
    async with engine(tmp_path, hostile, an_app("canary", "sleep 600")) as here:
        await here.order(Verb.START)
        await here.until(lambda: here.instance("s").past is not None)

        assert here.status("canary").status is State.RUNNING

"""What a supervisor that died by force has left running."""

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from oxtrio.process.record import Record, RecordFile, records_in
from oxtrio.supervisor.leftovers import end_leftovers
from oxtrio.system.proc import boot_id, environ_of, stat_of
from tests.e2e.processes import eventually as waited_for
from tests.engine import eventually, is_alive, program, read_pid

pytestmark = pytest.mark.slow


# All of /proc is searched for these: they must differ from those of other test sessions.
R1, R2 = (uuid.uuid4().hex for _ in range(2))


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def a_record(run_id: str, **changes: object) -> Record:
    plain: dict[str, object] = {
        "run_id": run_id,
        "name": "web",
        "boot_id": boot_id(),
        "stop_signal": signal.SIGTERM,
        "stop_timeout": 20.0,
    }
    return Record(**(plain | changes))  # type: ignore[arg-type]


def spawn(run_id: str, *argv: str) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "OXTRIO_RUN_ID": run_id}
    process = subprocess.Popen(argv, env=environ, start_new_session=True)
    # Popen returns a moment before the new program has its environment.
    waited_for(lambda: environ_of(process.pid).get(b"OXTRIO_RUN_ID") == run_id.encode(), "it")
    return process


def keep(folder: Path, record: Record, process: subprocess.Popen[bytes] | None = None) -> None:
    file = RecordFile(str(folder), record)
    if process is not None:
        stat = stat_of(process.pid)
        assert stat is not None
        file.spawned(process.pid, stat.started)


async def ended(folder: Path, *processes: subprocess.Popen[bytes]) -> tuple[str, ...]:
    """The names of what was found. Somebody must reap: here they are our own children."""

    async def reap(process: subprocess.Popen[bytes]) -> None:
        await eventually(lambda: process.poll() is not None)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for process in processes:
                nursery.start_soon(reap, process)
            found = await end_leftovers(str(folder))
    assert found.survivors == ()
    assert os.listdir(folder) == []
    return found.names


async def test_a_run_is_ended_by_its_own_signal(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    started.append(spawn(R1, "/bin/sleep", "600"))
    keep(tmp_path, a_record(R1, stop_signal=signal.SIGINT), started[0])

    assert await ended(tmp_path, started[0]) == ("web",)
    assert started[0].returncode == -signal.SIGINT


async def test_who_hears_nothing_is_killed_with_all_of_its_daemons(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    (runs := tmp_path / "runs").mkdir()
    daemon = tmp_path / "daemon"
    started.append(spawn(R1, *program("daemonise.py", str(daemon), "stay")))
    started.append(spawn(R2, *program("stubborn.py", str(tmp_path / "ready"), "TERM")))
    await eventually(lambda: read_pid(daemon) and read_pid(tmp_path / "ready"))
    keep(runs, a_record(R1), started[0])
    keep(runs, a_record(R2, stop_timeout=0.1), started[1])

    await ended(runs, *started)

    assert not is_alive(read_pid(daemon))
    assert started[1].returncode == -signal.SIGKILL


async def test_a_spawn_that_was_not_recorded_to_its_end_is_found_by_its_marker(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    started.append(spawn(f"outer:{R1}", "/bin/sleep", "600"))
    keep(tmp_path, a_record(R1))

    assert await ended(tmp_path, started[0]) == ("web",)


@pytest.mark.parametrize("what", ["start time", "boot"])
async def test_another_process_with_the_same_pid_is_left_alone(
    tmp_path: Path, started: list[subprocess.Popen[bytes]], what: str
) -> None:
    started.append(spawn("somebody else", "/bin/sleep", "600"))
    stat = stat_of(started[0].pid)
    assert stat is not None
    record = a_record(R1, boot_id=boot_id() if what == "start time" else "an earlier one")
    off = 1 if what == "start time" else 0
    RecordFile(str(tmp_path), record).spawned(stat.pid, stat.started - off)

    assert await ended(tmp_path) == ()
    assert started[0].poll() is None


@pytest.mark.parametrize(
    "changes",
    [
        {"stop_timeout": "soon"},
        {"stop_timeout": float("nan")},
        {"stop_timeout": -1},
        {"stop_signal": 999},
        {"stop_signal": "TERM"},
        {"pid": "1"},
        {"run_id": 7},
        {"name": None},
    ],
    ids=str,
)
async def test_a_record_that_makes_no_sense_hurts_nobody(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    keep(tmp_path, a_record(R1, pid=os.getppid()))
    path = tmp_path / f"{R1}.json"
    record = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(record))

    assert list(records_in(str(tmp_path))) == [(str(path), None)]
    assert await ended(tmp_path) == ()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\0\0\0", "[" * 50_000])
async def test_a_record_that_is_none_is_tidied_away(tmp_path: Path, text: str) -> None:
    (tmp_path / f"{R1}.json").write_text(text)

    assert await ended(tmp_path) == ()


async def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    found = await end_leftovers(str(tmp_path / "none"))

    assert (found.names, found.survivors) == ((), ())


@pytest.mark.parametrize("content", ["", "{", '{"pid": -1}', "[]"])
async def test_a_run_whose_record_cannot_be_read_is_found_by_its_mark(
    tmp_path: Path, started: list[subprocess.Popen[bytes]], content: str
) -> None:
    started.append(spawn(R1, "/bin/sleep", "600"))
    (tmp_path / f"{R1}.json").write_text(content)

    assert await ended(tmp_path, *started) == ("an app (its record cannot be read)",)

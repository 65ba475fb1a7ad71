"""What outlives the supervisor: the old state or the new one, never half of one."""

import errno
import json
import os
import signal
import stat
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from oxtrio.model.spec import AppSpec, StopSpec
from oxtrio.process.record import Finished, Record, RecordFile
from oxtrio.supervisor import memory as module
from oxtrio.supervisor.memory import EVERY, Memory
from oxtrio.supervisor.remembered import (
    Inherited,
    Remembered,
    RememberedInstance,
    Scaled,
    Versions,
    bytes_of,
    remembered_of,
)

SECRET = "hunter2"
API = AppSpec(name="api", command=("a", "b"), working_dir="/", stop=StopSpec(timeout=3))


def a_memory(restarts: int = 0) -> Remembered:
    versions = Versions()
    version = versions.spec(API)
    environment = versions.environment({"TOKEN": SECRET, "ODD": "\udcff"})
    instance = RememberedInstance(
        app="api",
        number=1,
        wanted=True,
        state="backoff",
        version=version,
        environment=environment,
        restarts=restarts,
        next_at=12.5,
    )
    return Remembered(
        boot_id="b",
        apps=(("api", version),),
        specs=versions.specs,
        environment=environment,
        environments=versions.environments,
        instances=(instance,),
        scaled=(Scaled(app="api", said=1, asked=2),),
    )


def quiet(text: str) -> None:
    pytest.fail(f"said: {text}")


def load(folder: Path) -> Remembered | None:
    return Memory.load(str(folder), quiet)


def test_everything_comes_back() -> None:
    remembered = remembered_of(bytes_of(a_memory()))

    assert remembered == a_memory()
    [(_, version)] = remembered.apps
    assert remembered.spec(version) == API
    assert remembered.environ(remembered.environment) == {"TOKEN": SECRET, "ODD": "\udcff"}
    assert remembered.spec("other") is None
    assert remembered.environ("other") is None


def test_no_variable_is_ever_shown() -> None:
    assert SECRET not in repr(a_memory())


def test_a_later_version_may_say_more() -> None:
    plain = json.loads(bytes_of(a_memory()))
    plain["colour"] = plain["instances"][0]["mood"] = plain["specs"][0]["spec"]["x"] = 1

    assert remembered_of(json.dumps(plain).encode()) == a_memory()


async def test_what_changes_is_written_for_this_user_alone(tmp_path: Path) -> None:
    memory = Memory(str(tmp_path), a_memory)
    memory.changed()
    before = os.umask(0)
    try:
        await memory.write()
    finally:
        os.umask(before)

    assert load(tmp_path) == a_memory()
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["state.json"]


async def test_any_number_of_changes_are_a_few_writes_and_the_last_one_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = writes = 0
    really = module._write_durably

    def count(path: str, content: bytes) -> None:
        nonlocal writes
        writes += 1
        really(path, content)

    monkeypatch.setattr(module, "_write_durably", count)
    memory = Memory(str(tmp_path), lambda: a_memory(state))
    began = trio.current_time()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(memory.serve)
            for state in range(2000):
                memory.changed()
                if state % 20 == 0:
                    await trio.sleep(0.005)
            nursery.cancel_scope.cancel()
    lasted = trio.current_time() - began

    assert 1 <= writes <= lasted / EVERY + 2
    assert load(tmp_path) == a_memory(1999)


async def test_what_is_the_same_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory(str(tmp_path), a_memory)
    for _ in range(2):
        memory.changed()
        await memory.write()
        monkeypatch.setattr(module, "_write_durably", None)

    assert memory.warnings() == ()


async def test_nothing_is_written_while_nothing_changes(tmp_path: Path) -> None:
    memory = Memory(str(tmp_path), a_memory)
    await memory.write()

    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("full", [False, True])
async def test_records_of_runs_that_are_over_go_when_it_is_written_or_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    def write(path: str, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if full:
        monkeypatch.setattr(module, "_write_durably", write)
    finished = Finished()
    memory = Memory(str(tmp_path), a_memory, finished)
    record = Record(run_id="ab", name="a", boot_id="b", stop_signal=15, stop_timeout=3)
    finished.add(RecordFile(str(tmp_path), record))
    assert (tmp_path / "ab.json").exists()

    memory.changed()
    await memory.write()

    assert not (tmp_path / "ab.json").exists()


def test_what_a_write_that_was_cut_short_has_left_is_tidied_away(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"state.json.new{number}").touch()

    Memory(str(tmp_path), a_memory)

    assert [*tmp_path.iterdir()] == []


async def test_without_a_folder_nothing_is_kept() -> None:
    memory = Memory(None, a_memory)
    memory.changed()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(memory.serve)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert memory.warnings() == ()


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
async def test_a_disk_that_does_not_take_it_is_named_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    memory = Memory(str(tmp_path), a_memory)
    memory.changed()
    await memory.write()
    state = 1
    memory._snapshot = lambda: a_memory(state)

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        memory.changed()
        await memory.write()
    [warning] = memory.warnings()
    assert warning.startswith(f"cannot write {tmp_path}/state.json: ")
    assert load(tmp_path) == a_memory(0)
    assert os.listdir(tmp_path) == ["state.json"]

    memory.changed()
    await memory.write()

    assert memory.warnings() == ()
    assert load(tmp_path) == a_memory(1)


async def test_a_disk_that_hangs_holds_up_nobody_and_undoes_nothing_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, began, go_on = 1, trio.Event(), trio.Event()
    memory = Memory(str(tmp_path), lambda: a_memory(state))
    really = os.fsync
    ended = trio.Event()

    def hang(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", really)
        trio.from_thread.run_sync(began.set)
        trio.from_thread.run(go_on.wait)
        really(descriptor)

    write = memory._write

    def watched(remembered: Remembered, path: str, number: int) -> str:
        try:
            return write(remembered, path, number)
        finally:
            trio.from_thread.run_sync(ended.set)

    monkeypatch.setattr(os, "fsync", hang)
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(memory, "_write", watched)
    memory.changed()
    with trio.fail_after(30):
        # A thread that is given up on may still ask for what it needs: nothing of trio is that.
        await memory.write()
        assert "does not answer" in memory.warnings()[0]
        monkeypatch.setattr(module, "PATIENCE", 30.0)
        monkeypatch.setattr(memory, "_write", write)
        state = 2
        memory.changed()
        await memory.write()
        go_on.set()
        await trio.to_thread.run_sync(time.sleep, 0)
        await ended.wait()

    assert load(tmp_path) == a_memory(2)


def _write_for_ever(folder: str, ready: int) -> None:
    async def write() -> None:
        number = 0
        memory = Memory(folder, lambda: a_memory(number))
        while True:
            number += 1
            memory.changed()
            await memory.write()
            if number == 1:
                os.write(ready, b"!")

    trio.run(write)


@pytest.mark.slow
def test_killed_at_any_moment_it_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    hear, ready = os.pipe()
    for number in range(30):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # idle threads of other tests
            pid = os.fork()
        if pid == 0:
            try:
                _write_for_ever(str(tmp_path), ready)
            finally:
                os._exit(1)
        assert os.read(hear, 1) == b"!"
        time.sleep(0.0007 * number)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

        remembered = load(tmp_path)
        assert remembered is not None
        assert replace(remembered, instances=()) == replace(a_memory(), instances=())
    os.close(hear)
    os.close(ready)


def test_a_state_that_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    assert load(tmp_path / "no folder") is None


CORRUPT = [
    b"",
    b"{",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"[" * 50_000,
    b"9" * 10_000,
    bytes_of(a_memory())[:-10],
    bytes_of(a_memory()).replace(b'"number":1', b'"number":"1"'),
    bytes_of(replace(a_memory(), format=99)),
    b'{"version": 999}',
    bytes_of(a_memory()).replace(b"SIGTERM", b"SIGNONE"),
]


@pytest.mark.parametrize("content", CORRUPT, ids=lambda content: str(content[:20]))
def test_a_state_that_makes_no_sense_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.json").write_bytes(content)
    said: list[str] = []

    assert Memory.load(str(tmp_path), said.append) is None

    [aside] = tmp_path.iterdir()
    assert aside.name.startswith("state.json.corrupt-")
    assert aside.read_bytes() == content
    assert len(said) == 1
    assert str(aside) in said[0]
    assert SECRET not in said[0]
    assert load(tmp_path) is None


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200), where=st.integers(0, 2000))
def test_no_bytes_make_loading_fail(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, where: int
) -> None:
    folder = tmp_path_factory.mktemp("state")
    whole = bytes_of(a_memory())
    (folder / "state.json").write_bytes(whole[:where] + data + whole[where + len(data) :])

    Memory.load(str(folder), lambda text: None)


def test_a_state_that_cannot_be_read_is_left_and_named(
    tmp_path: Path,
) -> None:
    (tmp_path / "state.json").mkdir()
    said: list[str] = []

    assert Memory.load(str(tmp_path), said.append) is None
    assert said == [f"cannot read {tmp_path}/state.json: is a directory"]


def test_a_snapshot_speaks_of_each_spec_and_environment_once() -> None:
    versions, environ = Versions(), {"A": "1"}
    made: list[object] = []
    of: Callable[..., Inherited] = Inherited.of
    for _ in range(3):
        versions.begin()
        names = {versions.spec(API), versions.spec(replace(API)), versions.spec(replace(API))}
        assert names == {each.version for each in versions.specs}
        assert len(versions.specs) == 1
        assert versions.environment(environ) == versions.environment(dict(environ))
        assert versions.environments == (of(environ),)
        made.append(versions.environments[0])

    assert made[0] is made[1] is made[2]
    versions.begin()
    versions.begin()
    assert (versions.specs, versions.environments) == ((), ())
    assert versions._known == {}

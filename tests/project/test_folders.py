"""Where a project lives."""

import fcntl
import os
import shutil
import signal
import socket
import stat
from contextlib import closing
from pathlib import Path

import pytest

from oxtrio.errors import AlreadyRunning, OxtrioError, Refused
from oxtrio.project.folders import (
    Folders,
    RunningProject,
    describe,
    folders,
    home_of,
    memory_only,
    prepare,
    running,
)
from oxtrio.project.left_running import hurry_keeper
from oxtrio.project.lock import Lock, holder, take

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
RUNNING = RunningProject(
    id="shop-1", name="shop", identity="shop", files=("/x/oxfile.toml",), pid=7
)


def mode(path: str | None) -> int:
    assert path is not None
    return stat.S_IMODE(os.stat(path).st_mode)


class TestPlaces:
    def test_of_root(self, monkeypatch):
        monkeypatch.setattr("oxtrio.project.folders.os.geteuid", lambda: 0)

        where = folders("shop-1", {"HOME": "/root"})

        assert where.state == "/var/lib/oxtrio/shop-1"
        assert where.runtime == "/run/oxtrio/shop-1"

    def test_of_everybody_else(self, as_user):
        where = folders("shop-1", {"HOME": "/home/ann", "XDG_RUNTIME_DIR": "/run/user/4242"})

        assert where.state == "/home/ann/.local/state/oxtrio/shop-1"
        assert where.runtime == f"/home/ann/.local/state/oxtrio/shop-1/run-{BOOT}"

    def test_named_by_one_variable(self):
        where = folders("shop-1", {"OXTRIO_HOME": "/ox"})

        assert (where.state, where.runtime) == ("/ox/state/shop-1", "/ox/run/shop-1")

    def test_named_by_two(self):
        where = folders(
            "shop-1", {"OXTRIO_HOME": "/ox", "OXTRIO_STATE_DIR": "/s", "OXTRIO_RUNTIME_DIR": "/r"}
        )

        assert (where.state, where.runtime) == ("/s/shop-1", "/r/shop-1")

    def test_a_state_folder_alone_takes_the_runtime_folder_with_it(self, as_user):
        where = folders("shop-1", {"HOME": "/home/ann", "OXTRIO_STATE_DIR": "/s"})

        assert where.runtime == f"/s/shop-1/run-{BOOT}"

    def test_what_is_in_them(self):
        where = Folders(id="shop-1", state="/s", runtime="/r")

        assert where.socket == "/r/control.sock"
        assert where.lock == "/r/lock"
        assert where.runs == "/r/runs"
        assert where.logs == "/s/logs"
        assert where.events == "/s/events.ndjson"
        assert where.supervisor_log == "/s/supervisor.log"

    def test_without_any(self):
        where = memory_only("shop-1")

        assert where.socket == f"@oxtrio/{os.geteuid()}/shop-1"
        assert (where.lock, where.runs, where.logs, where.events, where.supervisor_log) == (
            (None,) * 5
        )

    def test_the_home_is_that_of_the_password_file_where_none_is_set(self, monkeypatch):
        assert home_of({"HOME": "/x"}) == "/x"
        assert home_of({"HOME": ""}) == home_of({}) == os.path.expanduser(f"~{_my_name()}")
        monkeypatch.setattr("oxtrio.project.folders.os.geteuid", lambda: 999_999)
        assert home_of({}) == "/"


def _my_name() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


class TestPreparing:
    def test_they_are_for_this_user_alone(self, environ):
        where = folders("shop-1", environ)
        previous = os.umask(0)
        try:
            prepare(where)
        finally:
            os.umask(previous)

        assert [mode(path) for path in (where.state, where.runtime, where.runs, where.logs)] == [
            0o700
        ] * 4

    def test_twice_is_no_trouble(self, environ):
        where = folders("shop-1", environ)
        prepare(where)
        prepare(where)

    def test_one_that_others_may_read_is_closed(self, environ):
        where = folders("shop-1", environ)
        assert where.state is not None
        os.makedirs(where.state, 0o755)

        prepare(where)

        assert mode(where.state) == 0o700

    @pytest.mark.parametrize("kind", ["state", "run"])
    @pytest.mark.parametrize(
        ("squat", "why"),
        [
            (lambda path: path.symlink_to("/tmp"), "is not a folder"),
            (lambda path: path.write_text(""), "is not a folder"),
            (lambda path: (path.mkdir(), path.chmod(0o777)), "is writable for others"),
            (lambda path: (path.mkdir(), path.chmod(0o770)), "is writable for others"),
        ],
        ids=["link", "file", "open", "group"],
    )
    def test_one_that_somebody_else_could_have_put_there_is_refused(
        self, environ, kind, squat, why
    ):
        path = Path(environ["OXTRIO_HOME"]) / kind / "shop-1"
        path.parent.mkdir(parents=True)
        squat(path)

        with pytest.raises(Refused, match=why):
            prepare(folders("shop-1", environ))

    def test_one_that_belongs_to_somebody_else_is_refused(self, environ, monkeypatch):
        prepare(folders("shop-1", environ))
        monkeypatch.setattr("oxtrio.project.folders.os.geteuid", lambda: 999_999)

        with pytest.raises(Refused, match="belongs to another user") as caught:
            prepare(folders("shop-1", environ))

        assert caught.value.exit_code == 5

    def test_a_parent_where_anybody_could_swap_it_is_refused(self, environ):
        parent = Path(environ["OXTRIO_HOME"]) / "state"
        parent.mkdir(parents=True)
        parent.chmod(0o777)

        with pytest.raises(Refused, match="writable for everybody"):
            prepare(folders("shop-1", environ))
        parent.chmod(0o1777)
        prepare(folders("shop-1", environ))

    def test_what_cannot_be_written_is_named_with_all_that_was_tried(self):
        environ = {"OXTRIO_STATE_DIR": "/proc/nowhere", "OXTRIO_RUNTIME_DIR": "/proc/nothing"}

        with pytest.raises(OxtrioError) as caught:
            prepare(folders("shop-1", environ))

        assert "/proc/nowhere/shop-1 or /proc/nothing/shop-1" in caught.value.message
        assert "OXTRIO_HOME" in caught.value.hint

    def test_so_is_a_folder_that_has_become_read_only(self, environ, monkeypatch):
        prepare(folders("shop-1", environ))
        monkeypatch.setattr("oxtrio.project.folders.os.access", lambda path, mode: False)

        with pytest.raises(OxtrioError, match="cannot write to .*: Read-only file system"):
            prepare(folders("shop-1", environ))

    def test_in_memory_there_is_nothing_to_prepare(self):
        prepare(memory_only("shop-1"))


class TestRunning:
    def test_nothing_runs_where_there_is_nothing(self, environ):
        assert running(environ) == []

    def test_who_holds_the_lock_is_described(self, environ):
        where = folders("shop-1", environ)
        prepare(where)
        describe(where, RUNNING)
        assert where.lock is not None
        lock = Lock(where.lock)

        assert running(environ) == [RUNNING]
        assert where.is_served
        lock.release()
        assert running(environ) == []
        assert not where.is_served

    def test_testing_takes_the_lock_from_nobody(self, environ):
        where = folders("shop-1", environ)
        prepare(where)
        running(environ)
        assert where.lock is not None

        Lock(where.lock).release()

    def test_who_deletes_the_file_hides_nobody_and_makes_no_room(self, environ, monkeypatch):
        monkeypatch.setattr("oxtrio.project.lock.LOOKERS", 0.0)
        where = folders("shop-1", environ)
        prepare(where)
        assert where.lock is not None
        assert not where.is_served
        lock = Lock(where.lock)
        Path(where.lock).unlink()

        assert where.is_served
        with pytest.raises(AlreadyRunning):
            Lock(where.lock)
        lock.release()
        assert not where.is_served

    def test_who_wipes_the_runtime_folder_hides_nobody_and_makes_no_room(
        self, environ, monkeypatch
    ):
        monkeypatch.setattr("oxtrio.project.lock.LOOKERS", 0.0)
        where = folders("shop-1", environ)
        prepare(where)
        assert where.lock is not None
        assert where.runtime is not None
        assert where.state is not None
        lock = Lock(where.lock, where.state)
        shutil.rmtree(where.runtime)

        assert where.is_served
        assert holder(where.state) == os.getpid()
        prepare(where)
        with pytest.raises(AlreadyRunning):
            Lock(where.lock, where.state)
        lock.release()
        assert not where.is_served
        assert holder(where.state) == 0
        Lock(where.lock, where.state).release()

    def test_who_only_looks_keeps_no_supervisor_out(self, environ, monkeypatch):
        where = folders("shop-1", environ)
        prepare(where)
        assert where.lock is not None
        looking = os.open(where.lock, os.O_RDONLY | os.O_CREAT)
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr("oxtrio.project.lock.time.sleep", lambda secs: os.close(looking))

        Lock(where.lock).release()

    def test_a_supervisor_that_its_keeper_starts_again_runs(self, environ):
        where = folders("shop-1", environ)
        prepare(where)
        describe(where, RUNNING)
        assert where.keeper_lock is not None
        lock = take(where.keeper_lock)

        assert running(environ) == [RUNNING]
        assert (where.is_kept, where.is_served) == (True, False)
        with pytest.raises(AlreadyRunning):
            take(where.keeper_lock)
        os.close(lock)
        assert running(environ) == []
        assert not where.is_kept

    def test_a_supervisor_alone_has_no_keeper(self, environ):
        where = folders("shop-1", environ)
        prepare(where)
        assert where.lock is not None
        lock = Lock(where.lock)

        assert not where.is_kept
        lock.release()
        assert not memory_only("shop-1").is_kept

    def test_only_a_keeper_that_waits_is_hurried(self, environ, monkeypatch):
        told: list[tuple[int, int]] = []
        monkeypatch.setattr("os.kill", lambda *arguments: told.append(arguments))
        where = folders("shop-1", environ)
        prepare(where)
        assert where.keeper_lock is not None
        Path(where.keeper_lock).write_text("12345\n")
        hurry_keeper(where)
        assert told == []

        lock = take(where.keeper_lock)
        hurry_keeper(where)
        os.ftruncate(lock, 0)
        hurry_keeper(where)

        assert told == [(12345, signal.SIGCONT)]
        os.close(lock)

    @pytest.mark.parametrize("text", [None, "", "{", "[]", '{"id": 1}', "null"])
    def test_a_description_that_cannot_be_read_hides_nobody(self, environ, text):
        where = folders("shop-1", environ)
        prepare(where)
        if text is not None:
            Path(f"{where.runtime}/project.json").write_text(text)
        assert where.lock is not None
        lock = Lock(where.lock)

        assert [project.id for project in running(environ)] == ["shop-1"]
        lock.release()

    def test_one_below_the_state_folder_is_found_too(self, as_user, home):
        environ = {"HOME": str(home)}
        where = folders("shop-1", environ)
        prepare(where)
        assert where.lock is not None
        lock = Lock(where.lock)

        assert [project.id for project in running(environ)] == ["shop-1"]
        lock.release()

    def test_one_in_memory_is_found_by_its_address(self, environ):
        address = memory_only(f"shop-{os.getpid()}").socket
        with closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind("\0" + address[1:])
            listener.listen()

            assert [project.id for project in running(environ)] == [f"shop-{os.getpid()}"]
            assert folders(f"shop-{os.getpid()}", environ).socket == address
        assert folders(f"shop-{os.getpid()}", environ).socket != address

    def test_in_memory_nothing_is_described(self):
        describe(memory_only("shop-1"), RUNNING)


def test_a_machine_without_proc_has_neither_a_boot_id_nor_abstract_addresses(monkeypatch, as_user):
    def refuse(self: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr("oxtrio.project.folders.Path.read_text", refuse)

    assert str(folders("shop-1", {"HOME": "/x"}).runtime).endswith("/run-00000000")

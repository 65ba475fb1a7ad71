"""Logs that cannot be written: a full disk, a folder that is gone, a file that is none."""

import os
import select
import shutil
import signal
from pathlib import Path

import pytest

from tests.e2e.kit import NOBODY, Ox, needs_root
from tests.e2e.processes import DEADLINE
from tests.faults.invariants import who_lives
from tests.faults.logged import NUMBERED, TALKING, TICKING, app, numbers
from tests.faults.scarcity import disk, read_only

pytestmark = pytest.mark.slow


def warnings(ox: Ox) -> str:
    return "\n".join(ox.ask("/v1/supervisor")["warnings"])


@needs_root
@pytest.mark.parametrize("manner", ["drop", "block"])
def test_l02_a_full_disk_delays_lines_and_loses_none(ox: Ox, manner: str):
    with disk(ox.folder / "d", 256) as small:
        small.fill(leave=40_000)
        ox.up(
            app(
                "a",
                f"{NUMBERED} 5000 80; echo done > done; exec sleep 3600",
                "log_file = 'd/a.log'",
            )
            + f"[processes.a.logs]\nwhen_full = '{manner}'\n"
            + app("other", TICKING)
        )
        ox.eventually(lambda: "no space left" in warnings(ox), "the warning")
        if manner == "drop":
            ox.content("done")
        told = ox.done("logs", "other", "-n", "1")
        ox.eventually(lambda: ox.done("logs", "other", "-n", "1") != told, "the other to go on")
        assert "no space left" in ox("status").stderr

        small.empty()

        log = Path("d/a.log")
        text = ox.content(str(log), lambda text: text.count("\n") == 5000)
        assert numbers(text) == list(range(5000))
        ox.eventually(lambda: not warnings(ox), "the warning to be gone")


@needs_root
def test_l02_what_is_too_much_to_wait_is_dropped_line_by_line_and_counted(ox: Ox):
    with disk(ox.folder / "d", 24 << 10) as small:
        small.fill(leave=40_000)
        ox.up(
            app(
                "a",
                f"{NUMBERED} 30000 800; echo done > done; exec sleep 3600",
                "log_file = 'd/a.log'",
            )
        )
        ox.content("done")
        assert "lines dropped" in warnings(ox)

        small.empty()

        text = ox.content("d/a.log", lambda text: "[oxtrio] dropped" in text)
        lines = text.splitlines()
        [gap] = [line for line in lines if "[oxtrio]" in line]
        kept = [int(line.split()[0]) for line in lines if line != gap]
        assert kept == list(range(len(kept)))
        assert gap == f"[oxtrio] dropped {30000 - len(kept)} lines (disk full)"
        assert abs(len(text) - (8 << 20)) < 1 << 18


@needs_root
def test_l02_with_all_that_oxtrio_keeps_on_the_full_disk_apps_run_and_are_steered(ox: Ox):
    ox.home.mkdir()
    with disk(ox.home, 512) as small:
        ox.up(app("a", TALKING) + app("b", "exec sleep 3600"))
        old = ox.pid("a")
        small.fill()
        ox.eventually(lambda: "no space left" in warnings(ox), "the warning")

        ox.done("scale", "b=2")
        ox.done("restart", "b")
        os.kill(before := ox.pid("b:1"), 9)
        ox.becomes("b:1", "running", after=before)
        assert "state.json" in warnings(ox)
        assert "no space left" in ox("status").stderr
        small.empty()

        ox.eventually(lambda: not warnings(ox), "the warnings to be gone")
        log = (ox.state / "logs" / "a.log").read_text()
        assert numbers(log) == list(range(len(numbers(log))))
        assert ox.pid("a") == old
        assert '"b"' in (ox.state / "state.json").read_text()
        ox.done("stop")


def test_l03_a_log_folder_that_is_deleted_comes_back_by_itself(ox: Ox):
    ox.up(
        app("a", TALKING)
        + app("b", TALKING, "log_file = 'l/b.log'")
        + "[logging]\nmax_size_mb = 0.02\nmax_files = 3\n"
    )
    pids = ox.pid("a"), ox.pid("b")
    folders = ox.state / "logs", ox.folder / "l"
    for folder, name in zip(folders, ("a.log", "b.log"), strict=True):
        ox.eventually((folder / name).exists, name)
        shutil.rmtree(folder)

    for folder, name in zip(folders, ("a.log", "b.log"), strict=True):
        rotated = folder / f"{name}.1"
        ox.eventually(rotated.exists, f"{rotated}, in a new folder")
        lines = numbers(rotated.read_text() + (folder / name).read_text())
        assert lines == list(range(lines[0], lines[0] + len(lines)))
    assert (ox.pid("a"), ox.pid("b")) == pids
    assert warnings(ox) == ""


def test_l12_a_log_that_cannot_be_opened_is_told_and_stops_nobody(ox: Ox):
    (ox.folder / "a.log").mkdir()
    (ox.folder / "file").touch()
    ox.up(
        app("a", TALKING, "log_file = 'a.log'")
        + app("b", TALKING, "log_file = 'file/b.log'\n[processes.b.logs]\nwhen_full = 'block'")
        + app("other", TICKING)
    )

    told = ox("status").stderr
    assert f"cannot write {ox.folder}/a.log: is a directory" in told
    assert f"cannot write {ox.folder}/file/b.log: not a directory" in told
    assert "running" in ox.done("status", "a", "b", "other")
    last = numbers(ox.done("logs", "a", "-n", "1"))
    ox.eventually(lambda: numbers(ox.done("logs", "a", "-n", "1")) > last, "a to go on")
    assert numbers(ox.done("logs", "other", "-n", "1"))

    (ox.folder / "a.log").rmdir()
    (ox.folder / "file").unlink()
    ox.supervisor().send_signal(signal.SIGHUP)
    ox.content("a.log")
    ox.content("file/b.log")
    ox.eventually(lambda: not warnings(ox), "the warnings to be gone")


@needs_root
def test_l12_a_read_only_log_folder_is_told_and_stops_nobody(ox: Ox):
    (ox.folder / "l").mkdir()
    with read_only(ox.folder / "l"):
        ox.up(
            app("a", TICKING, "log_file = 'l/a.log'") + app("b", TICKING, "log_file = 'l/m/b.log'")
        )
        assert ox("status").stderr.count("read-only file system") == 2
    ox.supervisor().send_signal(signal.SIGHUP)

    ox.content("l/a.log")
    ox.content("l/m/b.log")


@needs_root
def test_l12_the_log_of_another_user_is_told_and_left_alone(ox: Ox):
    log = ox.folder / "a.log"
    log.write_text("not yours\n")
    log.chmod(0o600)
    ox.folder.chmod(0o777)
    ox.home.mkdir()
    os.chown(ox.home, 65534, 65534)
    ox.write(app("a", TICKING, "log_file = 'a.log'"))

    ox.done("start", prefix=NOBODY)

    assert f"cannot write {log}: permission denied" in ox("status", prefix=NOBODY).stderr
    assert numbers(ox.done("logs", "a", prefix=NOBODY))
    assert log.read_text() == "not yours\n"
    ox.done("stop", prefix=NOBODY)


@pytest.mark.parametrize("reader", ["nobody", "asleep"])
def test_l13_a_pipe_that_nobody_reads_holds_up_nobody_else(ox: Ox, reader: str):
    os.mkfifo(ox.folder / "pipe")
    asleep = os.open(ox.folder / "pipe", os.O_RDONLY | os.O_NONBLOCK) if reader == "asleep" else -1
    ox.up(app("a", f"exec {NUMBERED} 100000 80", "log_file = 'pipe'") + app("other", TICKING))
    why = "its reader does not keep up" if reader == "asleep" else "nobody reads it"
    ox.eventually(lambda: f"cannot write {ox.folder}/pipe: {why}" in warnings(ox), "the warning")
    last = numbers(ox.done("logs", "other", "-n", "1"))
    ox.eventually(lambda: numbers(ox.done("logs", "other", "-n", "1")) > last, "other to go on")
    state = "running" if reader == "asleep" else "exited"
    assert ox.becomes("a", state)

    if asleep >= 0:
        got = bytearray()
        while got.count(b"\n") < 100_000:
            select.select([asleep], [], [], DEADLINE)
            got += os.read(asleep, 65536)
        assert numbers(got.decode()) == list(range(100_000))
        os.close(asleep)
    ox.done("stop")


@needs_root
@pytest.mark.parametrize("dead", ["both", "the supervisor"])
def test_l02_what_could_not_be_recorded_never_runs_twice(ox: Ox, dead: str):
    """Nothing is known of it but what it was born with."""
    ox.home.mkdir()
    with disk(ox.home, 512) as small:
        ox.up(app("a", "exec sleep 3600"))
        small.fill()
        ox.done("restart", "a")
        ox.eventually(lambda: "cannot record a" in warnings(ox), "the warning")
        left = ox.pid("a")
        if dead == "both":
            ox.crash()
            small.empty()
            ox.done("start")
        else:
            old = ox.supervisor()
            small.empty()
            ox.eventually(lambda: "cannot record a" not in warnings(ox), "it to be recorded")
            small.fill()
            old.kill()
        ox.becomes("a", "running")

        assert len(who_lives(ox, "a")) == 1
        assert (ox.pid("a") == left) == (dead == "the supervisor"), "what was recorded runs on"
        if dead == "the supervisor":
            small.empty()
        ox.done("stop")
        assert who_lives(ox, "a") == []

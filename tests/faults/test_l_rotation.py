"""Logs under two names, logs that others move, and rotation that is cut short."""

import os
import random
import signal
import time
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest

from tests.e2e.kit import PYTHON, Ox
from tests.faults.logged import NUMBERED, TICKING, app, numbers
from tests.faults.parts import parts

pytestmark = pytest.mark.slow


def test_l04_a_log_that_somebody_moves_away_is_begun_anew_without_being_told(ox: Ox):
    ox.up(app("a", TICKING, "log_file = 'a.log'"))
    log, moved = ox.folder / "a.log", ox.folder / "a.log.old"
    ox.content("a.log")

    log.rename(moved)
    ox.content("a.log")
    ox.done("stop", "a")

    everything = numbers(moved.read_text() + log.read_text())
    assert everything == list(range(len(everything)))
    # With the index, so that what was moved away is still known to be of that time.
    assert Path(f"{moved}.idx").exists()


def test_l04_a_log_that_somebody_empties_goes_on_empty(ox: Ox):
    ox.up(app("a", TICKING, "log_file = 'a.log'"))
    ox.content("a.log", lambda text: text.count("\n") > 20)

    os.truncate(ox.folder / "a.log", 0)

    text = ox.content("a.log", lambda text: text.count("\n") > 5)
    assert "\0" not in text
    assert numbers(text) == list(range(numbers(text)[0], numbers(text)[-1] + 1))
    ox.eventually(lambda: numbers(ox.done("logs", "a"))[0] > 0, "only what is there to be shown")


def test_l11_at_full_speed_no_line_is_cut_and_every_name_says_its_place(ox: Ox):
    ox.write(
        app("a", f"{NUMBERED} 100000 200", "log_file = 'a.log'\nrestart_on_exit = false")
        + "[processes.a.logs]\nmax_size_mb = 0.1\nmax_files = 1000\n"
    )

    ox.done("start")

    found = parts(ox.folder, "a.log")
    assert len(found) > 90
    assert numbers("".join(each.read_text() for each in found)) == list(range(100_000))
    assert all(each.read_bytes().endswith(b"\n") for each in found)
    assert max(each.stat().st_size for each in found) <= 0.1 * 2**20 + 210
    times = [each.stat().st_mtime_ns for each in found]
    assert times == sorted(times)


STEADY = """
import os, time
number = 0
while not os.path.exists("enough"):
    lines = b"".join(b"%d %s\\n" % (n, b"x" * (n * 7919 % 90)) for n in range(number, number + 200))
    number += 200
    while lines:
        lines = lines[os.write(1, lines[:4001]):]
    time.sleep(0.001)
open("count", "w").write(str(number))
time.sleep(3600)
"""
KILLS = 6


def test_l10_of_supervisors_that_are_killed_while_they_rotate_each_line_is_kept_once(ox: Ox):
    ox.write(STEADY, "steady.py")
    ox.up(
        app("a", f"exec {PYTHON} steady.py", "log_file = 'a.log'")
        + "[processes.a.logs]\nmax_size_mb = 0.1\nmax_files = 5000\n"
    )
    app_pid, chance = ox.pid("a"), random.Random()

    for _ in range(KILLS):
        before = len(parts(ox.folder, "a.log"))
        ox.eventually(lambda before=before: len(parts(ox.folder, "a.log")) > before, "a rotation")
        time.sleep(chance.uniform(0, 0.02))
        old = ox.supervisor()
        old.send_signal(signal.SIGKILL)
        ox.eventually(lambda old=old: _is_followed(ox, old), "the next supervisor")
    (ox.folder / "enough").touch()
    count = int(ox.content("count"))

    def written() -> bool:
        return (ox.folder / "a.log").read_bytes().rpartition(b"\n")[0].endswith(last)

    last = b"%d %s" % (count - 1, b"x" * ((count - 1) * 7919 % 90))
    ox.eventually(written, "the last line")
    found = parts(ox.folder, "a.log")
    assert numbers("".join(each.read_text() for each in found)) == list(range(count))
    assert max(each.stat().st_size for each in found) <= 0.1 * 2**20 + 100
    assert ox.pid("a") == app_pid
    there = {each.name for each in ox.folder.glob("a.log*")}
    indexed = {f"{each.name}.idx" for each in found}
    assert there <= indexed | {each.name for each in found}, "nothing half-moved is left"
    # Who is killed between the two renames costs that part its index: when its lines came.
    assert len(indexed - there) <= KILLS


def _is_followed(ox: Ox, old: psutil.Process) -> bool:
    with suppress(OSError, HTTPException):
        return ox.supervisor() != old
    return False


def test_l14_two_names_of_one_log_file_are_told_and_harm_nothing(ox: Ox):
    logs = ox.folder / "real"
    logs.mkdir()
    (ox.folder / "linked").symlink_to("real")
    (logs / "link.log").symlink_to("one.log")
    names = {"a": "real/one.log", "b": "linked/one.log", "c": "real/link.log"}
    ox.write(
        "".join(
            app(name, f"{NUMBERED} 20000 60", f"log_file = '{path}'\nrestart_on_exit = false")
            + f"[processes.{name}.logs]\nmax_size_mb = 0.05\nmax_files = 1000\n"
            for name, path in names.items()
        )
    )

    told = ox("validate").stderr
    assert told.count("is that of a by another name") == 2
    ox.done("start")

    found = parts(logs, "one.log")
    assert sorted(numbers("".join(map(Path.read_text, found)))) == sorted([*range(20_000)] * 3)
    assert all(each.read_bytes().endswith(b"\n") for each in found)
    assert max(each.stat().st_size for each in found) <= 0.05 * 2**20 + 100


def test_l14_a_hard_link_to_a_log_file_is_told_and_harms_nothing(ox: Ox):
    (ox.folder / "a.log").touch()
    os.link(ox.folder / "a.log", ox.folder / "b.log")
    ox.write(
        "".join(
            app(name, f"{NUMBERED} 20000 60", f"log_file = '{name}.log'\nrestart_on_exit = false")
            + f"[processes.{name}.logs]\nmax_size_mb = 0.05\nmax_files = 1000\n"
            for name in ("a", "b")
        )
    )

    assert "log file 'b.log' is that of a by another name" in ox("validate").stderr.replace(
        f"{ox.folder}/", ""
    )
    ox.done("start")

    files = {each.stat().st_ino: each for name in "ab" for each in parts(ox.folder, f"{name}.log")}
    lines = "".join(map(Path.read_text, files.values()))
    assert sorted(numbers(lines)) == sorted([*range(20_000)] * 2)

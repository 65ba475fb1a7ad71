"""Oxfiles that cannot be read, that are changed at a bad moment, or that are very large."""

import os
import threading
import time
from pathlib import Path

import pytest

from oxtrio.control.client import Client
from oxtrio.errors import ConfigError
from oxtrio.model.order import Order, Verb
from tests.e2e.kit import CANARY, FIXTURES, PYTHON, Ox
from tests.e2e.processes import DEADLINE
from tests.faults.invariants import who_lives

pytestmark = pytest.mark.slow

A = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
B = A.replace(".a]", ".b]")
MANY = 500


def pids(ox: Ox) -> dict[str, int | None]:
    return {name: row["pid"] for name, row in ox.rows().items()}


def refused_reload(ox: Ox) -> str:
    """What the supervisor says of the oxfile; the command would not even ask it."""
    with (
        Client(str(ox.runtime / "control.sock"), patience=DEADLINE) as client,
        pytest.raises(ConfigError) as refused,
    ):
        list(client.order(Order(verb=Verb.RELOAD)))
    return "\n".join([refused.value.message, *map(str, refused.value.problems)])


BROKEN = {
    "cut short": A.encode()[:-20],
    "not UTF-8": A.encode() + b"# \xff\n",
    "NUL": A.encode() + b"\0",
    "deep": b"a = " + b"[" * 100_000,
    "too large": A.encode() + b"#" * (5 << 20),
    "unknown key": A.encode() + b"comand = 'x'\n",
    "another type": A.encode() + b"max_restarts = 'three'\n",
    "endless": A.encode() + b"ready_timeout_secs = 1e400\n",
    "a bool for a number": A.encode() + b"instances = true\n",
    "cycle": A.encode() + b"depends_on = ['b']\n" + B.encode() + b"depends_on = ['a']\n",
}


def test_r06_r07_r09_whatever_the_oxfile_has_become_what_runs_is_left_alone(ox: Ox):
    ox.up(A)
    path, before = ox.folder / "oxfile.toml", pids(ox)

    for text in BROKEN.values():
        path.write_bytes(text)
        assert str(path) in refused_reload(ox)
    ox.write(A + CANARY)
    ox.done("reload", "--if-changed")

    assert pids(ox) == before
    assert [each for each in ox.events() if each["kind"] == "internal-error"] == []


def test_r12_whatever_stands_where_the_oxfile_was_what_runs_is_left_alone(ox: Ox):
    ox.up(A)
    path, before = ox.folder / "oxfile.toml", pids(ox)
    places = [
        lambda: None,
        path.mkdir,
        lambda: os.mkfifo(path),
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to(path),
    ]

    path.unlink()
    for put in places:
        put()
        assert str(path) in refused_reload(ox)
        assert pids(ox) == before
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)


def test_r02_a_reload_during_a_stop_brings_nothing_up(ox: Ox):
    ox.up(
        f"[processes.a]\ncommand = '{PYTHON} {FIXTURES}/stubborn.py up TERM'\n"
        "stop_timeout_ms = 700\nstart_secs = 0\n"
    )
    ox.content("up")
    stop = ox.foreground("stop", "a")
    ox.becomes("a", "stopping")

    reload = ox("reload", "a")

    assert stop.ends() == 0
    assert reload.returncode in (0, 1)
    assert (ox.rows()["a"]["status"], who_lives(ox, "a")) == ("stopped", [])


def test_r13_an_env_file_that_is_gone_is_named_and_what_runs_is_left_alone(ox: Ox):
    ox.write("X=1\n", ".env")
    ox.up(A + "env_file = '.env'\n")
    before = pids(ox)
    (ox.folder / ".env").unlink()

    assert ".env" in ox.refused(1, "reload", "a")

    assert pids(ox) == before


def test_r14_another_name_is_another_app_and_the_old_one_runs_until_it_is_stopped(ox: Ox):
    ox.up(A)
    old = ox.pid("a")
    ox.write(B + CANARY)

    ended = ox("start")

    assert "no longer in the oxfile: oxtrio stop a" in ended.stdout + ended.stderr
    assert (ox.pid("a"), ox.rows()["b"]["status"]) == (old, "running")
    ox.done("stop", "a")
    assert who_lives(ox, "a") == []


def test_r16_a_reload_and_a_crash_loop_beside_it_do_not_touch_each_other(ox: Ox):
    loop = (
        "[processes.loop]\ncommand = 'echo x >> runs; exit 1'\nrestart_delay_ms = 20\n"
        "restart_delay_max_ms = 20\nmax_restarts = 0\n"
    )
    ox.up(A + loop, "a", "canary")
    ox.refused(1, "start", "loop")

    def runs() -> int:
        return len((ox.folder / "runs").read_text().splitlines())

    for number in range(3):
        before, old = runs(), ox.pid("a")
        ox.write(A + f"env = {{ X = '{number}' }}\n" + loop + CANARY)
        ox.done("reload", "a")
        assert ox.pid("a") != old
        ox.eventually(lambda before=before: runs() > before, "the other to go on")

    assert ox.rows()["loop"]["restarts"] >= 3


def test_r17_hundreds_of_apps_are_read_shown_and_kept_in_mind(ox: Ox):
    text = "".join(
        f"[processes.a{number}]\ncommand = 'sleep {number}'\nenabled = false\n"
        f"depends_on = ['a{number - 1}']\nenv = {{ NUMBER = '{number}' }}\n"
        for number in range(1, MANY)
    )
    ox.up("[processes.a0]\ncommand = 'sleep 0'\nenabled = false\n" + text)

    began = time.monotonic()
    assert len(ox.rows()) == MANY + 1
    asked = time.monotonic() - began

    assert asked < 5
    assert ox.supervisor().memory_info().rss < 150 << 20
    assert ox.done("status").count("\n") == MANY + 2


def test_r01_reloads_at_once_are_all_answered_and_the_last_oxfile_is_in_force(ox: Ox):
    ox.up(A)
    ended: list[int] = []

    def reload(number: int) -> None:
        ended.append(ox("reload", "a").returncode)

    threads = [threading.Thread(target=reload, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads):
        new = ox.folder / "new.toml"
        new.write_text(A.replace("3600", str(7000 + number)) + CANARY)
        new.rename(ox.folder / "oxfile.toml")
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ended) == len(threads)
    assert 0 in ended
    [pid] = who_lives(ox, "a")
    assert Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1] == b"7004"

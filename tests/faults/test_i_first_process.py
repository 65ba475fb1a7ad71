"""PID 1: orphans, signals from the first instruction on, exit codes, and the bound of a stop."""

import signal
import time

import pytest

from tests.e2e.container import Container, Manner
from tests.e2e.kit import FIXTURES, PYTHON, Ox, needs_root
from tests.e2e.processes import zombies

pytestmark = [pytest.mark.slow, needs_root]

STORM = 400
ORPHANS = """
import os, time
for number in NUMBERS:
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            time.sleep(0.2 + number % 7 / 50)
        os._exit(0)
    os.wait()
open("orphaned", "w").close()
time.sleep(3600)
"""
STORM_OF = {"short": f"range({STORM})", "endless": "iter(int, 1)"}
HOLDS_TERM_BACK = ("env", "--block-signal=TERM")
"""What an image may put in front of oxtrio, for the moments in which Python is not there yet."""


def app(name: str, command: str, keys: str = "") -> str:
    return f"[processes.{name}]\ncommand = '''{command}'''\nstart_secs = 0\n{keys}\n"


def storm(ox: Ox, length: str) -> Container:
    """A container in which orphans end by the hundred."""
    ox.write(ORPHANS.replace("NUMBERS", STORM_OF[length]), "orphans.py")
    ox.write(app("a", f"{PYTHON} orphans.py") + app("b", f"{PYTHON} orphans.py"))
    return Container(ox, "run")


def test_i01_a_storm_of_orphans_leaves_no_zombie(ox: Ox):
    container = storm(ox, "short")
    first = container.first
    ox.eventually((ox.folder / "orphaned").exists, "the orphans")

    ox.eventually(lambda: len(first.children()) == 2, "all orphans to end")

    assert zombies(first) == []
    assert {row["status"] for row in container.rows().values()} == {"running"}
    assert container.stop() == 0


def test_i15_a_storm_of_orphans_hides_no_signal(ox: Ox):
    container = storm(ox, "endless")
    first = container.first
    ox.eventually(lambda: len(first.children()) > 50, "the storm to be under way")

    first.send_signal(signal.SIGTERM)

    assert container.running.ends() == 0, "it was obeyed in the middle of it"
    assert ox.ours() == []


def test_i03_a_signal_is_obeyed_whenever_it_comes(ox: Ox):
    manner = Manner(before=HOLDS_TERM_BACK)
    waits = (0, 5, 20, 50, 100, 200, 400)
    started = [
        Container(ox, "-p", f"after{wait}", "run", "--", "sleep", "3600", manner=manner)
        for wait in waits
    ]

    for container, wait in zip(started, waits, strict=True):
        first = container.first
        time.sleep(wait / 1000)
        first.send_signal(signal.SIGTERM)

    assert [each.running.ends() for each in started] == [0] * len(waits)


def test_i05_what_is_executed_inside_and_left_behind_is_reaped_and_ends_with_the_container(ox: Ox):
    ox.write(app("a", "sleep 3600"))
    container = Container(ox, "run")
    container.becomes("a", "running")
    first = container.first

    # Whoever does that is no part of any app.
    left = "exec >/dev/null 2>&1; (sleep 0.1 &); (setsid sleep 3601 &)"
    assert container.run("sh", "-c", left).returncode == 0

    ox.eventually(lambda: len(first.children()) == 2, "the short one to end")
    assert zombies(first) == []
    assert container.stop() == 0
    assert ox.ours() == []


def test_i11_a_chain_of_deaf_apps_is_stopped_within_the_bound_and_nobody_is_killed_untold(ox: Ox):
    deaf = f"{PYTHON} {FIXTURES}/stubborn.py {{0}}.up TERM INT"
    patience = "stop_timeout_ms = 60000\n"
    ox.write(
        "[supervisor]\nstop_timeout_ms = 1500\n"
        + app("web", deaf.format("web"), patience + "depends_on = ['api']")
        + app("api", deaf.format("api"), patience + "depends_on = ['db']")
        + app("db", f"{PYTHON} {FIXTURES}/trapmark.py db.up", patience)
        + app("one", deaf.format("one"), patience)
        + app("two", f"{PYTHON} {FIXTURES}/trapmark.py two.up", patience)
    )
    container = Container(ox, "run")
    for name in ("web", "api", "db", "one", "two"):
        ox.content(f"{name}.up")
    begun = time.monotonic()

    assert container.stop() == 0

    assert time.monotonic() - begun < 9, "container engines wait for ten seconds"
    assert ox.content("two.up").split() == ["ready", "SIGTERM"]
    # It would have been the last one, after all others: it may still put things in order.
    assert ox.content("db.up").split()[:2] == ["ready", "SIGTERM"]
    assert ox.ours() == []

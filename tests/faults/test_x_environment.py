"""Whoever starts oxtrio, and from wherever: locale, time zone, hostile variables, many apps."""

import json
import time

import pytest

from tests.e2e.kit import Ox, needs_root
from tests.e2e.processes import alive
from tests.faults.invariants import cpu_ticks, environ_of, who_lives
from tests.faults.scarcity import read_only

pytestmark = pytest.mark.slow

SLEEPER = "[processes.a]\ncommand = 'sleep 3600'\nstart_secs = 0\n"
FORGED = {
    "NOTIFY_SOCKET": "@forged",
    "WATCHDOG_USEC": "1000000",
    "WATCHDOG_PID": "1",
    "LISTEN_FDS": "3",
    "LISTEN_PID": "1",
    "LISTEN_FDNAMES": "a:b:c",
    "OXTRIO_NAME": "outer",
    "OXTRIO_INSTANCE_ID": "7",
    "OXTRIO_RUN_ID": "deadbeef",
    "OXTRIO_PROJECT": "outer",
    "OXTRIO_SOCKET": "/nowhere",
}
"""What another supervisor, ours or systemd, has put there for its own child."""


@pytest.mark.parametrize("locale", ["C", "tr_TR.UTF-8"])
def test_x12_whatever_the_locale_text_is_utf_8_and_times_have_their_offset(ox: Ox, locale: str):
    ox.environ |= {"TZ": "Asia/Kathmandu", "LANG": "C", "LC_ALL": locale}
    ox.up(
        "[processes.a]\ncommand = 'echo grüß ✓; exec sleep 3600'\nstart_secs = 0\n"
        "log_date_format = 'iso'\ndescription = 'TÜRKIYE İı'\n"
    )

    assert "grüß ✓" in ox.done("logs", "a")
    assert "+05:45: grüß" in (ox.state / "logs" / "a.log").read_text()
    assert "✓ oxfile.toml is valid" in ox.done("validate")
    [row] = json.loads(ox.done("status", "a", "--json"))
    assert row["started_at"].endswith("+05:45")
    assert row["description"] == "TÜRKIYE İı"


def test_x14_what_was_meant_for_the_supervisor_does_not_reach_its_apps(ox: Ox):
    ox.write("raise SystemExit('it was read')", "startup.py")
    ox.environ |= FORGED | {"PYTHONSTARTUP": str(ox.folder / "startup.py")}

    ox.up(SLEEPER)

    given = environ_of(ox.pid("a"))
    forged = {name for name, value in FORGED.items() if given.get(name) == value}
    assert forged == set(), given
    assert given["OXTRIO_NAME"] == "a"
    assert not {"LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(given)
    assert given["PYTHONSTARTUP"], "what is anybody's is left alone"


def test_x14_oxtrio_runs_within_oxtrio(ox: Ox):
    ox.write(SLEEPER.replace(".a]", ".inner]"), "in/oxfile.toml")
    home = f"{ox.folder}/in/h"
    ox.up(
        "[processes.outer]\ncommand = 'oxtrio -c in/oxfile.toml run'\nstart_secs = 0\n"
        f"env = {{ OXTRIO_HOME = '{home}' }}\n"
    )

    def inner() -> bool:
        return "running" in ox("-c", "in/oxfile.toml", "status", OXTRIO_HOME=home).stdout

    ox.eventually(inner, "the inner app")
    [pid] = who_lives(ox, "inner")
    ox.done("restart", "outer")
    ox.eventually(inner, "the inner app again")
    assert len(who_lives(ox, "inner")) == 1
    assert not alive(pid)
    ox.done("stop", "outer")
    assert who_lives(ox, "inner") == []


@needs_root
def test_x07_without_a_home_and_with_nothing_to_write_to_everything_is_in_memory(ox: Ox):
    ox.write(SLEEPER)
    ox.home.mkdir()
    for name in ("HOME", "LANG"):
        del ox.environ[name]
    with read_only(ox.home):
        failed = ox.refused(1, "start")
        running = ox.foreground("run")
        ox.eventually(lambda: "running" in ox("status").stdout, "the app")
        ox.done("restart", "a")
        ox.done("stop")
        assert running.ends() == 0
    assert str(ox.home) in failed
    assert not any(ox.home.iterdir())


def test_x08_many_apps_start_idle_and_stop(ox: Ox):
    ox.write(SLEEPER + "instances = 100\n")
    ox.done("start")
    supervisor = ox.supervisor().pid
    assert [row["status"] for row in ox.rows().values()] == ["running"] * 100

    ox.eventually(lambda: _ticks_within(supervisor, 1.0) <= 5, "it to have nothing to do")

    ox.done("stop")
    assert ox.ours() == []


def _ticks_within(pid: int, seconds: float) -> int:
    before = cpu_ticks(pid)
    time.sleep(seconds)
    return cpu_ticks(pid) - before

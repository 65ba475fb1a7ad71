"""kill -9 of supervisor and keeper, and what is missing or broken when the next one comes."""

import json

import pytest

from tests.e2e.kit import FIXTURES, PYTHON, Ox
from tests.e2e.processes import alive

pytestmark = pytest.mark.slow

KILL = '[supervisor]\non_crash = "kill"\n'
SLEEPER = f'{KILL}[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
TRAP = f"{KILL}[processes.a]\ncommand = '{PYTHON} {FIXTURES}/trapmark.py heard'\nstart_secs = 0\n"


def test_the_next_start_ends_what_was_left_in_order_and_never_makes_two_copies(ox: Ox):
    ox.write(TRAP)
    ox.done("start")
    old = ox.pid("a")
    ox.content("heard")
    ox.crash()
    assert alive(old), "apps run on"
    ox.refused(3, "status")

    said = ox.done("start")

    assert not alive(old)
    assert f"(pid {ox.pid('a')})" in said
    words = ox.content("heard", lambda text: text.count("ready") == 2).split()
    assert words.index("SIGTERM") < len(words) - 1 - words[::-1].index("ready")
    copies = [each for each in ox.ours() if "trapmark" in " ".join(each.cmdline()[2:4])]
    assert [each.pid for each in copies] == [ox.pid("a")]


def test_a_daemon_of_a_crashed_supervisor_goes_too(ox: Ox):
    ox.write(
        f'{KILL}[processes.a]\ncommand = "{PYTHON} {FIXTURES}/daemonise.py daemon stay"\n'
        "start_secs = 0\nstop_timeout_ms = 500\n"
    )
    ox.done("start")
    daemon = int(ox.content("daemon"))
    (ox.folder / "daemon").unlink()
    ox.crash()

    ox.done("start")

    assert not alive(daemon)
    assert int(ox.content("daemon")) != daemon


def test_stop_after_a_crash_ends_the_apps(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    ox.crash()

    ox.done("stop")

    assert ox.ours() == []


def test_the_log_goes_on_after_a_crash_with_each_line_once(ox: Ox):
    ox.write(
        f"{KILL}[processes.a]\n"
        "command = 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.002; done'\n"
        "start_secs = 0\nlog_file = 'a.log'\n"
    )
    ox.done("start")
    ox.content("a.log", lambda text: text.count("\n") > 50)
    ox.crash()

    ox.done("start")
    ox.content("a.log", lambda text: text.count("\n0\n") == 1)
    ox.done("stop")

    lines = (ox.folder / "a.log").read_text().splitlines()
    second = lines.index("0", 1)
    # What waited in the pipe when the supervisor died may be read by nobody; nothing comes twice.
    first = list(map(int, lines[:second]))
    assert first == list(range(len(first)))
    assert list(map(int, lines[second:])) == list(range(len(lines) - second))


@pytest.mark.parametrize("what", ["lock", "project.json"])
def test_a_file_that_somebody_deletes_makes_no_second_supervisor(ox: Ox, what: str):
    ox.write(SLEEPER)
    ox.done("start")
    old, supervisor = ox.pid("a"), ox.supervisor()

    (ox.runtime / what).unlink()

    ox.done("start")
    assert ox.pid("a") == old
    assert ox.supervisor() == supervisor
    ox.done("stop")
    assert ox.ours() == []


def test_a_control_socket_that_is_gone_is_told_with_the_way_out(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    old, supervisor = ox.pid("a"), ox.supervisor()

    (ox.runtime / "control.sock").unlink()

    for command in ("status", "start", "stop"):
        assert f"kill {supervisor.pid}" in ox.refused(3, command).split("hint:")[1]
    assert alive(old)
    supervisor.terminate()
    ox.eventually(lambda: not ox.ours(), "it to end in order")
    ox.done("start")


def test_after_a_crash_only_the_records_of_the_runs_are_needed(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    old = ox.pid("a")
    ox.crash()
    for name in ("lock", "control.sock", "project.json"):
        (ox.runtime / name).unlink()

    ox.done("start")

    assert not alive(old)
    assert [each.pid for each in ox.ours() if each.name() == "sleep"] == [ox.pid("a")]


@pytest.mark.parametrize("damage", ["{", '\0\0\0\n{"seq": "x"}\n[1]\nnull\n'])
def test_a_corrupt_event_file_is_no_obstacle(ox: Ox, damage: str):
    ox.write(SLEEPER)
    ox.done("start")
    ox.done("stop")
    path = ox.state / "events.ndjson"
    path.write_text(damage)

    ox.done("start")

    told = [json.loads(line) for line in ox.done("events", "--json").splitlines()]
    assert [each["state"] for each in told if each["name"] == "a"] == ["starting", "running"]
    path.unlink()  # of what is in it now not every line can be read


def test_events_go_on_counting_after_a_restart_of_the_supervisor(ox: Ox):
    ox.write(SLEEPER)
    for _ in range(2):
        ox.done("start")
        ox.done("stop")

    counted = [each["seq"] for each in ox.events()]

    assert counted == sorted(set(counted))


def test_two_crashes_in_a_row_leave_nothing(ox: Ox):
    ox.write(TRAP.replace("[processes.a]", "[processes.a]\ninstances = 3"))
    for _ in range(2):
        ox.done("start")
        ox.crash()

    ox.done("start")

    copies = [each for each in ox.ours() if "trapmark" in " ".join(each.cmdline()[2:4])]
    assert len(copies) == 3
    assert len(list((ox.runtime / "runs").glob("*.json"))) in (0, 3)

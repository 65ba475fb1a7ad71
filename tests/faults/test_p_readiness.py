"""P31-P32: who says that it is ready says it once, for itself, and while it lives."""

import signal
import time

import pytest

from tests.e2e.kit import CANARY, FIXTURES, PYTHON, Ox
from tests.faults.invariants import who_lives

pytestmark = pytest.mark.slow

NOTIFY = f"{PYTHON} {FIXTURES}/notify.py"


def app(name: str, command: str, health: str = "notify = true", keys: str = "") -> str:
    return f"[processes.{name}]\ncommand = '''{command}'''\n{keys}health_check = {{ {health} }}\n"


def test_p31_what_ends_before_it_was_ready_has_failed_with_its_exit(ox: Ox):
    ox.write(app("a", "exit 7", keys="restart_on_exit = false\n") + CANARY)

    assert "exit code 7" in ox.refused(1, "start")

    assert ox.rows()["a"]["status"] == "crashed"


def test_p31_ready_said_three_times_is_ready_once(ox: Ox):
    ox.up(app("a", f"{NOTIFY} --ready-after 0 --send READY=1 --send READY=1 --status x"))
    ox.eventually(lambda: "said all" in ox.done("logs", "a"), "all to be said")

    assert ox.rows()["a"]["status"] == "running"
    states = [each["state"] for each in ox.events() if each["name"] == "a"]
    assert states == ["starting", "running"]


def test_p31_a_child_that_outlives_its_leader_cannot_make_it_ready(ox: Ox):
    child = f"{NOTIFY} --ready-after 0.3"
    ox.write(app("a", f"{child} & exit 3", keys="restart_on_exit = false\n") + CANARY)
    ox.refused(1, "start")
    assert ox.rows()["a"]["leftover"] == 1

    ox.eventually(lambda: "said all" in ox.done("logs", "a"), "the child to say it")

    assert ox.rows()["a"]["status"] == "crashed"
    ox.done("stop", "a")
    assert who_lives(ox, "a") == []


def test_p31_megabytes_without_a_newline_are_no_line_and_no_burden(ox: Ox):
    endless = "head -c 8000000 /dev/zero | tr '\\0' x; touch written; exec sleep 3600"
    ox.up(app("a", endless, "log_line = 'ready'"), "canary")
    supervisor = ox.supervisor()
    before = supervisor.memory_info().rss

    ox("start", "a", "--no-wait")
    ox.eventually((ox.folder / "written").exists, "all to be written")

    assert ox.rows()["a"]["status"] == "starting"
    ox.eventually(lambda: _logged(ox) > 6_900_000, "all but a last mebibyte to be logged")
    assert supervisor.memory_info().rss - before < 12_000_000
    ox.done("stop", "a")
    assert _logged(ox) == 8_000_000


def _logged(ox: Ox) -> int:
    return (ox.state / "logs" / "a.log").stat().st_size


def test_p32_a_supervisor_that_stood_still_blames_no_app_for_its_silence(ox: Ox):
    """What was said meanwhile waits in the socket, and is older than the deadline."""
    ox.up(
        app("a", f"{NOTIFY} --ready-after 0 --watchdog 0.1", "notify = true, watchdog_secs = 0.6")
    )
    pid, supervisor = ox.pid("a"), ox.supervisor()

    for _ in range(2):
        supervisor.send_signal(signal.SIGSTOP)
        time.sleep(1.0)
        supervisor.send_signal(signal.SIGCONT)
        ox.eventually(ox.rows, "it to answer")
    ox.done("status")

    row = ox.rows()["a"]
    assert (row["pid"], row["restarts"], row["status"]) == (pid, 0, "running")

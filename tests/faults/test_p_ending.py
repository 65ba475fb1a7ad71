"""P04, P06, P16, P18, P34, P35: each end is told as it was, also of very many at once."""

import json
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.kit import CANARY, FIXTURES, PYTHON, Ox
from tests.faults.invariants import cpu_ticks, descriptors, never_two, who_lives

pytestmark = pytest.mark.slow


def test_p04_daemons_of_an_app_that_is_always_restarted_never_pile_up(ox: Ox):
    """Its every run ends with success, so that it is never given up."""
    daemonise = f"{PYTHON} {FIXTURES}/daemonise.py daemon; echo x >> runs"
    ox.write(
        f"[processes.a]\ncommand = '{daemonise}'\nrestart_on_exit = true\n"
        "restart_delay_ms = 1\nrestart_delay_max_ms = 1\n" + CANARY
    )

    with never_two(ox, "a") as sampler:
        ox("start")
        ox.content("runs", lambda text: text.count("x") >= 5)
        ox.eventually(lambda: len(sampler.seen["a"]) >= 5, "leaders and daemons to be seen")

    ox.done("stop", "a")
    assert who_lives(ox, "a") == []


def test_p06_an_app_that_has_closed_its_output_runs_on_and_costs_nothing(ox: Ox):
    ox.up("[processes.a]\ncommand = 'exec sleep 3600 >&- 2>&-'\nstart_secs = 0\n")
    pid, supervisor = ox.pid("a"), ox.supervisor().pid
    assert sorted(path.name for path in Path(f"/proc/{pid}/fd").iterdir()) == ["0"]

    before = cpu_ticks(supervisor)
    time.sleep(1.0)

    assert cpu_ticks(supervisor) - before <= 10
    assert (ox.pid("a"), ox.done("logs", "a")) == (pid, "")
    ox.done("stop", "a")


def test_p16_a_crash_loop_of_200_restarts_leaks_nothing_and_holds_up_nobody(ox: Ox):
    loop = "instances = 20\nrestart_delay_ms = 0\nrestart_delay_max_ms = 100\nmax_restarts = 0\n"
    ox.up(f'[processes.a]\ncommand = ["/bin/false"]\n{loop}', "canary")
    supervisor = ox.supervisor()
    before = descriptors(supervisor)
    ox("start", "a", "--no-wait")
    ox.eventually(lambda: _restarts(ox) >= 60, "the first restarts")
    memory = supervisor.memory_info().rss

    took = []
    while _restarts(ox) < 200:
        began = time.monotonic()
        assert ox.ask("/v1/status")
        took.append(time.monotonic() - began)

    assert sorted(took)[len(took) // 2] < 1.0
    assert supervisor.memory_info().rss - memory < 5_000_000
    ox.done("stop", "a")
    ox.eventually(lambda: descriptors(supervisor) <= before + 2, "all descriptors to be closed")
    assert sum(path.stat().st_size for path in ox.state.rglob("*") if path.is_file()) < 1_000_000


def _restarts(ox: Ox) -> int:
    return sum(row["restarts"] for row in ox.rows().values())


CODES = [0, 1, 2, 126, 127, 255]
SIGNALS = ["HUP", "INT", "KILL", "SEGV", "PIPE", "TERM"]
ALWAYS, ON_FAILURE, NEVER = "restart_on_exit = true\n", "", "restart_on_exit = false\n"
ENDS = [*(f"exit {code}" for code in CODES), *(f"kill -{name} $$" for name in SIGNALS)]


def becomes(policy: str, end: str) -> tuple[str, int]:
    """What an app is that ended so the first time, and how often it was restarted."""
    if policy == ALWAYS or (policy == ON_FAILURE and end != "exit 0"):
        return "running", 1
    return ("exited" if end == "exit 0" else "crashed"), 0


def test_p18_each_end_is_told_exactly_and_leads_where_the_policy_says(ox: Ox):
    """A second run stays. No signal counts as a success; not even SIGTERM of a stranger."""
    cases = {
        f"a{number}": case
        for number, case in enumerate((p, end) for p in (ALWAYS, ON_FAILURE, NEVER) for end in ENDS)
    }
    ox.write(
        "".join(
            f"[processes.{name}]\nstart_secs = 0\n"
            f"command = 'test -e {name} && exec sleep 3600; touch {name}; {end}'\n{policy}"
            for name, (policy, end) in cases.items()
        )
    )

    ox("start")

    for name, (policy, end) in cases.items():
        state, restarts = becomes(policy, end)
        ox.eventually(
            lambda name=name, restarts=restarts: (
                ox.rows()[name]["restarts"] == restarts and ox.rows()[name]["exit"]
            ),
            f"{name} to have ended",
        )
        row = ox.becomes(name, state)
        what, value = end.split()[:2]
        told = (row["exit"]["code"], row["exit"]["signal"])
        assert told == ((int(value), None) if what == "exit" else (None, f"SIG{value[1:]}"))
        assert row["restarts"] == restarts


def test_p34_p35_very_many_that_end_at_once_beside_a_storm_of_orphans_are_told_exactly(ox: Ox):
    storm = "while :; do (sleep 0.01 &); sleep 0.01; done"
    ox.up(
        f"[processes.storm]\ncommand = '{storm}'\nstart_secs = 0\nstop_timeout_ms = 100\n"
        "[processes.a]\ncommand = 'exit $((OXTRIO_INSTANCE_ID % 100))'\ninstances = 150\n"
        "restart_on_exit = false\n",
        "storm",
        "canary",
    )

    ox("start", "a")

    rows = [row for row in ox.rows().values() if row["app"] == "a"]
    assert len(rows) == 150
    for row in rows:
        assert row["exit"]["code"] == row["instance"] % 100
        assert row["status"] == ("exited" if row["instance"] % 100 == 0 else "crashed")
    assert json.loads(ox("status", "storm", "--json").stdout)[0]["status"] == "running"
    assert psutil.Process(ox.pid("canary")).is_running()

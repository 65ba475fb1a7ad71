"""start, restart, wait, signal, reset: what they do, what they say, how they end."""

import os
import signal

import pytest

from tests.e2e.kit import CANARY, FIXTURES, PYTHON, Ox, is_supervisor
from tests.e2e.processes import alive

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
ONE_SHOT = "restart_on_exit = false\n"


def test_start_returns_when_all_is_up_and_names_what_comes_next(ox: Ox):
    said = ox.up(SLEEPER + f'[processes.job]\ncommand = "true"\n{ONE_SHOT}')

    assert f"a: running (pid {ox.pid('a')})" in said
    assert "job: exited" in said
    last = said.splitlines()[-1]
    assert all(f"oxtrio {command}" in last for command in ("logs -f", "status", "stop"))


def test_start_twice_touches_nothing_that_runs(ox: Ox):
    ox.up(SLEEPER)
    old = ox.pid("a")

    ox.done("start")

    assert ox.pid("a") == old
    assert [*filter(is_supervisor, ox.ours())] == [ox.keeper(), ox.supervisor()]


def test_start_of_one_name_starts_what_it_depends_on_and_nothing_else(ox: Ox):
    ox.up(
        '[processes.web]\ncommand = "sleep 3600"\nstart_secs = 0\ndepends_on = ["db"]\n'
        '[processes.db]\ncommand = "sleep 3600"\nstart_secs = 0\n',
        "web",
    )

    rows = ox.rows()

    assert {name: row["status"] for name, row in rows.items()} == {
        "web": "running",
        "db": "running",
        "canary": "stopped",
    }
    assert ox("status").returncode == 0, "what nobody wants up is not missing"


def test_a_dry_run_names_what_would_start_and_starts_nothing(ox: Ox):
    ox.write(
        '[processes.api]\ncommand = "sleep 1"\ninstances = 2\n'
        '[processes.worker]\ncommand = "true"\n'
    )

    assert "Would start: api (×2 instances), worker" in ox.done("start", "--dry-run")

    assert ox.ours() == []


def test_a_start_that_fails_says_why_with_the_last_lines_and_the_others_run(ox: Ox):
    ox.write(
        SLEEPER + '[processes.bad]\ncommand = "echo it is the database >&2; exit 3"\n'
        "restart_delay_ms = 3600000\n"
    )

    said = ox.refused(1, "start")

    assert "bad" in said
    assert "it is the database" in said
    assert "3" in said
    assert (ox.rows()["a"]["status"], ox.rows()["bad"]["status"]) == ("running", "backoff")
    assert ox("status").returncode == 3


def test_start_without_waiting_returns_before_anything_is_ready(ox: Ox):
    ox.up('[processes.slow]\ncommand = "sleep 3600"\nstart_secs = 3600\n', "--no-wait")

    assert ox.becomes("slow", "starting")["pid"]


def test_patience_that_runs_out_is_124_and_the_start_goes_on(ox: Ox):
    ox.write('[processes.slow]\ncommand = "sleep 3600"\nstart_secs = 3600\n')

    ox.refused(124, "start", "--timeout", "0.2")

    assert ox.becomes("slow", "starting")["pid"]


def test_restart_gives_a_new_pid_to_those_it_names_only(ox: Ox):
    ox.up(SLEEPER)
    old = ox.pid("a")

    said = ox.done("restart", "a")

    assert ox.pid("a") != old
    assert f"(pid {ox.pid('a')})" in said
    assert not alive(old)
    assert ox.rows()["a"]["restarts"] == 0, "an operator's restart is no automatic one"


def test_stop_without_names_ends_the_supervisor_too_and_twice_is_no_error(ox: Ox):
    ox.up(SLEEPER)

    assert "a: stopped" in ox.done("stop")

    assert ox.ours() == []
    again = ox("stop")
    assert (again.returncode, "not running" in again.stderr) == (0, True)


def test_stop_of_one_leaves_the_rest_and_start_brings_it_back(ox: Ox):
    ox.up(SLEEPER)
    old = ox.pid("a")

    ox.done("stop", "a")

    assert not alive(old)
    assert (ox.rows()["a"]["status"], ox.rows()["canary"]["status"]) == ("stopped", "running")
    assert ox("status").returncode == 0
    ox.done("start", "a")
    assert ox.rows()["a"]["status"] == "running"


def test_a_killed_app_comes_back_and_is_counted_until_reset(ox: Ox):
    ox.up(SLEEPER)
    old = ox.pid("a")

    os.kill(old, signal.SIGKILL)

    row = ox.becomes("a", "running", after=old)
    assert row["restarts"] == 1
    assert row["exit"]["signal"] in (9, "SIGKILL")
    ox.done("reset", "a")
    assert ox.rows()["a"]["restarts"] == 0
    assert ox.pid("a") == row["pid"]


ENDS = [
    ("", "exit 0", "exited"),
    ("exit_codes = [0, 3]\n", "exit 3", "exited"),
    (ONE_SHOT, "exit 0", "exited"),
    (ONE_SHOT, "exit 3", "crashed"),
    ("max_restarts = 2\nrestart_delay_ms = 1\n", "exit 3", "crashed"),
    ("max_restarts = 2\nrestart_delay_ms = 1\n", "kill -SEGV $$", "crashed"),
]


def test_how_an_app_ends_decides_what_it_is_then(ox: Ox):
    ox.write(
        "".join(
            f"[processes.a{number}]\ncommand = 'echo x >> runs{number}; {command}'\n{keys}"
            for number, (keys, command, _) in enumerate(ENDS)
        )
        + CANARY
    )

    ox("start")

    for number, (keys, _, ends_as) in enumerate(ENDS):
        assert ox.becomes(f"a{number}", "exited", "crashed")["status"] == ends_as
        runs = 3 if "max_restarts" in keys else 1
        assert (ox.folder / f"runs{number}").read_text() == "x\n" * runs


def test_restart_on_exit_starts_anew_after_a_success_too(ox: Ox):
    ox.write(
        "[processes.a]\ncommand = 'echo x >> runs; test $(wc -l < runs) -lt 3 || exec sleep 3600'\n"
        "restart_on_exit = true\nrestart_delay_ms = 1\n"
    )

    ox("start")

    assert ox.content("runs", lambda text: text == "x\n" * 3)
    assert ox.becomes("a", "running", "starting")["restarts"] == 2


def test_what_was_given_up_is_tried_anew_by_start(ox: Ox):
    ox.write(
        "[processes.a]\ncommand = 'test -e mended || exit 1; exec sleep 3600'\nstart_secs = 0.1\n"
        "max_restarts = 1\nrestart_delay_ms = 1\n" + CANARY
    )
    ox.refused(1, "start")
    ox.becomes("a", "crashed")
    (ox.folder / "mended").touch()

    ox.done("start")

    assert ox.rows()["a"]["status"] == "running"


def test_names_are_apps_instances_tags_and_globs(ox: Ox):
    ox.up(
        '[processes.api]\ncommand = "sleep 3600"\nstart_secs = 0\ninstances = 2\ntags = ["web"]\n'
        '[processes.celery-a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
        '[processes.celery-b]\ncommand = "sleep 3600"\nstart_secs = 0\n'
    )

    def stopped(name: str) -> list[str]:
        said = ox.done("stop", name).splitlines()
        return [line.removesuffix(": stopped") for line in said if line.endswith(": stopped")]

    assert stopped("api:1") == ["api:1"]
    assert stopped("tag:web") == ["api:0"] or stopped("tag:web") == ["api:0", "api:1"]
    assert stopped("celery-*") == ["celery-a", "celery-b"]
    said = ox.refused(4, "restart", "celery-c")
    assert "celery-" in said.split("hint:")[1]


def test_a_disabled_app_is_started_only_when_it_is_named(ox: Ox):
    ox.up(SLEEPER + '[processes.b]\ncommand = "sleep 3600"\nstart_secs = 0\nenabled = false\n')
    assert ox.rows()["b"]["status"] == "stopped"
    assert ox("status").returncode == 0

    ox.done("start", "b")

    assert ox.rows()["b"]["status"] == "running"


def test_a_signal_goes_to_the_main_process_only(ox: Ox):
    ox.up(f'[processes.a]\ncommand = "{PYTHON} {FIXTURES}/trapmark.py heard"\nstart_secs = 0\n')
    ox.content("heard")

    ox.done("signal", "USR1", "a")
    ox.done("signal", "sighup", "a")

    assert ox.content("heard", lambda text: "SIGHUP" in text).split() == [
        "ready",
        "SIGUSR1",
        "SIGHUP",
    ]
    ox.refused(2, "signal", "NOSUCH", "a")


def test_wait_ends_when_the_state_is_reached_or_cannot_be_any_more(ox: Ox):
    gate = f"[processes.job]\ncommand = 'until test -e gate; do sleep 0.05; done'\n{ONE_SHOT}"
    ox.up(gate + f"[processes.bad]\ncommand = 'exit 1'\n{ONE_SHOT}", "canary", "job", "--no-wait")
    ox.becomes("job", "running", "starting")
    waiting = ox.foreground("wait", "job", "--for", "exited")
    ox.refused(124, "wait", "job", "--for", "stopped", "--timeout", "0.1")

    (ox.folder / "gate").touch()

    assert waiting.ends() == 0
    ox.refused(1, "start", "bad")
    ox.refused(1, "wait", "bad", "--for", "ready")


def test_ten_starts_at_once_make_one_supervisor(ox: Ox):
    ox.write(SLEEPER)

    starts = [ox.foreground("start") for _ in range(10)]

    assert [each.ends() for each in starts] == [0] * 10, [each.err for each in starts]
    assert len({line for each in starts for line in each.out.splitlines() if "pid" in line}) == 1
    runs = [each for each in ox.ours() if each.name() == "sleep"]
    assert [each.pid for each in runs] == [ox.pid("a")]


def test_commands_at_once_end_with_exactly_one_instance(ox: Ox):
    ox.up(SLEEPER)
    words = ["restart", "stop", "start"] * 4

    orders = [ox.foreground(word, "a") for word in words]

    assert {each.ends() for each in orders} <= {0, 1}
    ox.done("start", "a")
    sleeping = [each.pid for each in ox.ours() if each.name() == "sleep"]
    assert sorted(sleeping) == sorted([ox.pid("a"), ox.pid("canary")])


def test_start_finds_up_what_is_up_though_its_first_run_had_failed(ox: Ox):
    ox.up(
        "[processes.a]\nstart_secs = 0.2\n"
        "command = 'test -e well || { touch well; exit 3; }; exec sleep 3600'\n",
        "--no-wait",
    )
    ox.eventually(lambda: ox.rows()["a"]["restarts"] == 1, "the second run")
    pid = ox.becomes("a", "running")["pid"]

    assert f"a: running (pid {pid})" in ox.done("start", "a")

"""`oxtrio run`: the stack in the foreground, and the code that it ends with."""

import json
import os
import pty
import signal

import pytest

from tests.e2e.kit import FIXTURES, PYTHON, Ox
from tests.e2e.processes import alive

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
ONE_SHOT = "restart_on_exit = false\n"
DEAF = f'"{PYTHON} {FIXTURES}/stubborn.py ready TERM INT"\nstart_secs = 0\n'


def app(name: str, command: str, keys: str = "") -> str:
    return f"[processes.{name}]\ncommand = '''{command}'''\n{keys}\n"


def test_lines_have_the_name_of_their_app_in_front_and_the_end_of_all_is_0(ox: Ox):
    ox.write(app("one", "echo hello; echo oops >&2") + app("two", "printf unfinished"))

    ended = ox("run")

    assert ended.returncode == 0
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert sorted((line[0], line[-1]) for line in lines) == [
        ("one", "hello"),
        ("one", "oops"),
        ("two", "unfinished"),
    ]
    assert not list(ox.home.rglob("*.log")), "run writes files only where the oxfile names them"


def test_lines_without_names_and_as_json(ox: Ox):
    ox.write(app("one", r"printf 'a\tb\n\377\n'"))

    assert ox("run", "--no-prefix").stdout.splitlines()[0] == "a\tb"
    objects = [json.loads(line) for line in ox("run", "--json-logs").stdout.splitlines()]
    assert [each["line"] for each in objects][0] == "a\tb"
    assert {(each["name"], each["stream"]) for each in objects} == {("one", "stdout")}


def test_only_what_is_named_runs_with_what_it_depends_on(ox: Ox):
    ox.write(
        app("db", "echo db", ONE_SHOT)
        + app("web", "echo web", ONE_SHOT + 'depends_on = { db = "completed" }')
        + app("other", "echo other", ONE_SHOT)
    )

    assert [line.split()[-1] for line in ox("run", "web").stdout.splitlines()] == ["db", "web"]


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        (app("a", "exit 3", ONE_SHOT), (), 3),
        (app("a", "kill -KILL $$", ONE_SHOT), (), 137),
        (app("a", "exit 3", ONE_SHOT + "exit_codes = [3]"), (), 0),
        (app("a", "exit 5", "max_restarts = 2\nrestart_delay_ms = 1"), (), 5),
        (
            app("a", "exit 6", ONE_SHOT + 'on_exit = "shutdown"') + SLEEPER.replace(".a", ".b"),
            (),
            6,
        ),
        (app("a", "exit 0", 'on_exit = "shutdown"') + SLEEPER.replace(".a", ".b"), (), 0),
        (app("t", "exit 9", ONE_SHOT) + SLEEPER, ("--exit-code-from", "t"), 9),
        (app("t", "kill -TERM $$", ONE_SHOT) + SLEEPER, ("--exit-code-from", "t"), 143),
        (app("a", "no-such-program-of-ours", ONE_SHOT), (), 127),
    ],
)
def test_the_code_is_that_of_the_app_that_ended_it(
    ox: Ox, text: str, words: tuple[str, ...], code: int
):
    ox.write(text)

    ended = ox("run", *words)

    assert ended.returncode == code, ended
    assert ox.ours() == []


def test_ctrl_c_stops_in_order_and_says_how_to_kill(ox: Ox):
    ox.write(
        app(
            "a", f"{PYTHON} {FIXTURES}/trapmark.py heard", "start_secs = 0\nstop_timeout_ms = 30000"
        )
        + app("b", "sleep 3600")
    )
    running = ox.foreground("run")
    ox.content("heard")

    running.signal(signal.SIGINT)

    assert running.ends() == 0
    assert (ox.folder / "heard").read_text().split()[:2] == ["ready", "SIGTERM"]
    assert "stopping a, b (up to 30 s)" in running.err


def test_a_second_ctrl_c_kills(ox: Ox):
    ox.write(f"[processes.a]\ncommand = {DEAF}stop_timeout_ms = 3600000\n")
    running = ox.foreground("run")
    pid = int(ox.content("ready"))
    running.signal(signal.SIGINT)
    ox.becomes("a", "stopping")

    running.signal(signal.SIGINT)

    assert running.ends() in (0, 130, 137)
    assert not alive(pid)


def test_a_signal_during_a_slow_start_is_obeyed(ox: Ox):
    ox.write(
        app("slow", "touch slow.up; sleep 3600", "start_secs = 3600")
        + app("web", "sleep 3600", 'depends_on = { slow = "ready" }')
        + app("late", "sleep 3600", "start_delay_ms = 3600000")
    )
    running = ox.foreground("run")
    ox.eventually((ox.folder / "slow.up").exists, "the start to be on its way")

    running.signal(signal.SIGTERM)

    assert running.ends() == 0


def test_a_hundred_signals_are_one_stop(ox: Ox):
    ox.write(app("a", f"{PYTHON} {FIXTURES}/trapmark.py heard", "start_secs = 0"))
    running = ox.foreground("run")
    ox.content("heard")

    for number in (signal.SIGUSR1, signal.SIGALRM, signal.SIGWINCH, signal.SIGPIPE):
        running.signal(number)
    assert ox.rows()["a"]["status"] == "running", "they mean nothing"
    running.signal(signal.SIGTERM)

    assert running.ends() == 0
    assert (ox.folder / "heard").read_text().split().count("SIGTERM") == 1


def test_hup_reloads_and_without_a_terminal_does_not_stop(ox: Ox):
    ox.write(SLEEPER + app("b", "sleep 3600", "start_secs = 0"))
    running = ox.foreground("run")
    old, other = ox.becomes("a", "running")["pid"], ox.becomes("b", "running")["pid"]
    ox.write(SLEEPER.replace("3600", "3601") + app("b", "sleep 3600", "start_secs = 0"))

    running.signal(signal.SIGHUP)

    assert ox.becomes("a", "running", after=old)["command"] == "sleep 3601"
    assert ox.pid("b") == other
    running.signal(signal.SIGTERM)
    assert running.ends() == 0


def test_the_end_of_the_terminal_is_an_orderly_stop(ox: Ox):
    ox.write(app("a", f"{PYTHON} {FIXTURES}/trapmark.py heard", "start_secs = 0"))
    ours, its = pty.openpty()
    # Who leads a session and opens a terminal is controlled by it from then on.
    opens = ("sh", "-c", f'exec "$0" "$@" < {os.ttyname(its)}')
    running = ox.foreground("run", prefix=opens)
    ox.content("heard")

    os.close(its)
    os.close(ours)

    assert running.ends() == 0
    assert (ox.folder / "heard").read_text().split()[:2] == ["ready", "SIGTERM"]


def test_one_command_needs_no_oxfile(ox: Ox):
    ended = ox("run", "--", "sh", "-c", 'echo "$0" "$HOME"', "a  b")
    assert (ended.returncode, ended.stdout) == (0, f"a  b {ox.folder}\n")

    counting = "echo x >> runs; test $(wc -l < runs) -ge 3"
    assert ox("run", "--", "sh", "-c", counting).returncode == 0
    assert (ox.folder / "runs").read_text() == "x\n" * 3


def test_run_is_steered_from_a_second_terminal(ox: Ox):
    ox.write(SLEEPER)
    running = ox.foreground("run")
    old = ox.becomes("a", "running")["pid"]

    assert "a: running" in ox.done("restart", "a")
    assert ox.pid("a") != old
    ox.refused(1, "run")
    ox.done("start")

    ox.done("stop")
    assert running.ends() == 0


def test_a_reader_that_goes_away_ends_nothing(ox: Ox):
    ox.write(app("a", "while :; do echo line; sleep 0.01; done", "start_secs = 0"))
    reading, writing = os.pipe()
    running = ox.foreground("run", stdout=writing)
    os.close(writing)
    assert os.read(reading, 10)
    old = ox.becomes("a", "running")["pid"]

    os.close(reading)

    ox.eventually(lambda: ox.rows()["a"]["uptime_secs"] > 1, "it to run on")
    assert ox.pid("a") == old
    running.signal(signal.SIGTERM)
    assert running.ends() == 0


def test_a_reader_that_is_stuck_stops_neither_control_nor_signals(ox: Ox):
    ox.write(app("a", "yes", "start_secs = 0") + app("b", "sleep 3600", "start_secs = 0"))
    reading, writing = os.pipe()
    running = ox.foreground("run", stdout=writing)
    os.close(writing)
    ox.becomes("a", "running")

    assert "running" in ox.done("status", "b")
    ox.done("restart", "b")
    running.signal(signal.SIGTERM)

    assert running.ends() == 0
    os.close(reading)


def test_aliases_are_run(ox: Ox):
    ox.write(app("a", "echo hello"))

    for words in (("runtime",), ("start", "--foreground")):
        ended = ox(*words)
        assert (ended.returncode, ended.stdout.split()[-1]) == (0, "hello")


def test_log_files_of_the_oxfile_are_written_by_run_too(ox: Ox):
    ox.write(app("a", "echo hello", "log_file = 'a.log'"))

    assert "hello" in ox("run").stdout
    assert (ox.folder / "a.log").read_text() == "hello\n"


def test_a_broken_oxfile_ends_run_with_2_and_no_supervisor(ox: Ox):
    ox.write("[processes.a]\ncomand = 'x'\n")

    ox.refused(2, "run")
    ox.refused(4, "-c", str(ox.write(SLEEPER, "good.toml")), "run", "nobody")
    assert ox.ours() == []


def test_a_command_that_is_to_run_once_does(ox: Ox):
    ended = ox("run", "--no-restart", "--", "sh", "-c", "echo x >> runs; exit 7")

    assert ended.returncode == 7
    assert (ox.folder / "runs").read_text() == "x\n"
    ox.write(app("a", "sleep 3600"))
    assert "oxtrio run --no-restart -- CMD" in ox.refused(2, "run", "--no-restart")


def test_a_broken_oxfile_at_hup_is_an_event(ox: Ox):
    ox.up(app("a", "sleep 3600"))
    ox.write("[processes.a\n")

    ox.keeper()
    ox.supervisor().send_signal(signal.SIGHUP)

    ox.eventually(lambda: "reload-refused" in {each["kind"] for each in ox.events()}, "the event")


def test_it_names_only_those_that_there_are_to_stop(ox: Ox):
    ox.write(
        app("first", "sleep 3600", "health_check = { command = 'false', interval_secs = 60 }")
        + app("second", "sleep 3600", "depends_on = ['first']")
    )
    running = ox.foreground("run")
    ox.becomes("second", "blocked")
    ox.becomes("first", "starting")

    running.signal(signal.SIGTERM)
    running.ends()

    assert "stopping first (up to" in running.err


def test_what_needed_sigkill_is_told_where_logs_are_read(ox: Ox):
    deaf = f"{PYTHON} {FIXTURES}/stubborn.py up TERM"
    ox.write(app("deaf", deaf, "stop_timeout_ms = 200"))
    running = ox.foreground("run")
    ox.content("up")

    running.signal(signal.SIGTERM)
    running.ends()

    assert "deaf: SIGKILL, not gone within 0.2 s" in running.err
    assert "killed" in [each["kind"] for each in ox.events()]

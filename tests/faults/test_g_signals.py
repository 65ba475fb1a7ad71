"""Signals to the supervisor: which of them stop it, and what none of them does."""

import random
import signal
import time

import pytest

from tests.e2e.kit import FIXTURES, PYTHON, Ox
from tests.e2e.processes import Foreground, alive
from tests.faults.terminal import CTRL_C, terminal

pytestmark = pytest.mark.slow

TRAP = f"{PYTHON} {FIXTURES}/trapmark.py"
DEAF = f"{PYTHON} {FIXTURES}/stubborn.py"
MEANINGLESS = sorted(
    set(signal.valid_signals())
    - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT}
    - {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR2}
    # What the kernel says to a program that has a bug, and a terminal to one in the background.
    - {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT}
    - {signal.SIGTRAP, signal.SIGSYS, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
)


def app(name: str, command: str, keys: str = "") -> str:
    return f"[processes.{name}]\ncommand = '''{command}'''\nstart_secs = 0\n{keys}\n"


def heard(ox: Ox, name: str) -> list[str]:
    """The signals that reached an app; SIGCONT follows each stop."""
    return [each for each in ox.content(name).split() if each not in ("ready", "SIGCONT")]


def storm(running: Foreground, number: int) -> None:
    """Send *number* until it has ended: also when nobody listens any more."""
    while running.process.poll() is None:
        running.signal(number)
        time.sleep(0.0005)


def test_g01_hup_during_a_shutdown_does_not_end_it(ox: Ox):
    ox.write(app("deaf", f"{DEAF} ready TERM", "stop_timeout_ms = 1000") + app("a", "sleep 3600"))
    running = ox.foreground("run")
    pid = int(ox.content("ready"))
    ox.becomes("a", "running")
    running.signal(signal.SIGTERM)
    ox.becomes("deaf", "stopping")
    # Now there is something to reload and to start.
    ox.write(app("a", "sleep 3601") + app("b", "touch b.started; sleep 3600"))

    storm(running, signal.SIGHUP)

    assert running.ends() == 0
    assert not alive(pid)
    assert not (ox.folder / "b.started").exists()


def test_g01_term_is_obeyed_while_a_reload_by_hup_is_under_way(ox: Ox):
    slow = "[processes.a.health_check]\ncommand = 'test -e healthy'\ninterval_secs = 0.1\n"
    ox.write(app("a", "sleep 3600", "stop_timeout_ms = 3600000\n" + slow))
    (ox.folder / "healthy").touch()
    running = ox.foreground("run")
    old = ox.becomes("a", "running")["pid"]
    (ox.folder / "healthy").unlink()
    ox.write(app("a", "sleep 3601", slow))
    running.signal(signal.SIGHUP)
    ox.eventually(lambda: not alive(old) or ox.rows()["a"]["status"] != "running", "the reload")

    running.signal(signal.SIGTERM)

    assert running.ends() == 0
    assert ox.ours() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_g02_a_storm_of_signals_is_a_stop_that_kills_and_leaves_nothing(
    ox: Ox, number: signal.Signals
):
    ox.write(
        app("deaf", f"{DEAF} ready TERM INT twin", "stop_timeout_ms = 3600000")
        + app("hears", f"{TRAP} heard")
    )
    running = ox.foreground("run")
    pids = [int(ox.content(name)) for name in ("ready", "ready.twin")]
    ox.content("heard")

    storm(running, number)

    # The second one that it sees means "kill now" (SPEC §7): as code of an orderly end there is 0.
    assert running.ends() == 128 + number
    assert not any(map(alive, pids))
    assert heard(ox, "heard").count("SIGTERM") <= 1
    assert ox.ours() == []


def test_g03_ctrl_c_says_how_to_kill_and_the_second_one_does(ox: Ox):
    ox.write(
        app("deaf", f"{DEAF} ready TERM INT twin", "stop_timeout_ms = 3600000")
        + app("hears", f"{TRAP} heard")
    )
    with terminal() as at:
        running = ox.foreground("run", prefix=at.opens)
        pids = [int(ox.content(name)) for name in ("ready", "ready.twin")]
        ox.content("heard")
        ox.becomes("hears", "running")

        at.type(CTRL_C)

        ox.becomes("hears", "stopped")
        assert "Ctrl-C again to kill" in running.err
        assert heard(ox, "heard") == ["SIGTERM"], "the terminal does not reach the apps"
        assert ox.rows()["deaf"]["status"] == "stopping"
        at.type(CTRL_C)
        assert running.ends() == 130
    assert not any(map(alive, pids))


@pytest.mark.parametrize("background", [False, True])
def test_g04_term_during_a_start_ends_what_is_up_and_begins_nothing_more(ox: Ox, background: bool):
    ox.write(
        app("first", f"{TRAP} heard")
        + app("slow", "sleep 3600", "depends_on = ['first']").replace(
            "start_secs = 0", "start_secs = 3600"
        )
        + app("last", "touch last.started; sleep 3600", "depends_on = { slow = 'ready' }")
        + app("failing", "exit 1", "restart_delay_ms = 3600000")
    )
    running = ox.foreground("start" if background else "run")
    ox.content("heard")
    ox.becomes("slow", "starting")
    ox.becomes("failing", "backoff")

    ox.supervisor().send_signal(signal.SIGTERM)

    assert running.ends() == (1 if background else 0)
    ox.eventually(lambda: not ox.ours(), "nothing to be left")
    assert heard(ox, "heard") == ["SIGTERM"]
    assert not (ox.folder / "last.started").exists()


def test_g06_what_means_nothing_does_nothing(ox: Ox):
    ox.up(app("a", f"{TRAP} heard"))
    ox.content("heard")
    supervisor = ox.supervisor()

    for number in MEANINGLESS:
        supervisor.send_signal(number)
    ox.keeper().send_signal(signal.SIGWINCH)

    assert ox.supervisor() == supervisor
    assert ox.rows()["a"]["status"] == "running"
    assert heard(ox, "heard") == [], "signals are for the supervisor, not for its apps"
    assert [each["kind"] for each in ox.events()].count("started") == 1


def test_g06_quit_stops_in_order(ox: Ox):
    ox.write(app("a", f"{TRAP} heard"))
    running = ox.foreground("run")
    ox.content("heard")

    running.signal(signal.SIGQUIT)

    assert running.ends() == 0
    assert heard(ox, "heard") == ["SIGTERM"]


def test_g06_a_supervisor_that_is_halted_halts_no_app(ox: Ox):
    ox.write(app("a", "while :; do echo x >> beats; sleep 0.02; done"))
    running = ox.foreground("run")
    ox.becomes("a", "running")

    running.signal(signal.SIGSTOP)  # as Ctrl-Z does, where a shell has job control
    before = len(ox.content("beats"))
    ox.content("beats", lambda text: len(text) > before + 20)
    running.signal(signal.SIGCONT)

    assert ox.becomes("a", "running")
    running.signal(signal.SIGTERM)
    assert running.ends() == 0


def test_g07_what_start_has_started_does_not_end_with_its_terminal(ox: Ox):
    ox.write(app("a", f"{TRAP} heard"))
    with terminal() as at:
        assert ox.foreground("start", prefix=at.opens).ends() == 0
        ours, pid = (ox.supervisor(), ox.keeper()), ox.becomes("a", "running")["pid"]
        assert [each.terminal() for each in ours] == [None, None], "nobody can hang up on them"

        at.hang_up()

    assert (ox.supervisor(), ox.keeper(), ox.pid("a")) == (*ours, pid)
    assert heard(ox, "heard") == []


def test_g08_what_was_ignored_or_blocked_before_changes_neither_codes_nor_signals(ox: Ox):
    """What apps are given then is in tests/e2e/test_what_an_app_is_given.py."""
    spoiled = ("env", "--ignore-signal=CHLD,TERM,INT,PIPE,HUP", "--block-signal=CHLD,TERM")
    for command, code in (("exit 7", 7), ("kill -KILL $$", 137)):
        ox.write(app("a", command, "restart_on_exit = false"))
        assert ox("run", prefix=spoiled).returncode == code
    ox.write(app("a", f"{TRAP} heard"))
    running = ox.foreground("run", prefix=spoiled)
    ox.content("heard")

    running.signal(signal.SIGTERM)

    assert running.ends() == 0
    assert heard(ox, "heard") == ["SIGTERM"]


def test_g09_term_while_it_spawns_leaves_nobody_without_an_owner(ox: Ox):
    ox.write(app("a", "sleep 3600", "instances = 10") + app("b", "exit 1", "restart_delay_ms = 0"))
    dice = random.Random(9)
    for _ in range(3):
        end_while_it_starts(ox, dice.random() * 0.08)


def end_while_it_starts(ox: Ox, after: float) -> None:
    running = ox.foreground("run")
    ox.eventually(ox.rows, "it to answer")
    time.sleep(after)

    running.signal(signal.SIGTERM)

    assert running.ends() in (0, 1)
    assert ox.ours() == []

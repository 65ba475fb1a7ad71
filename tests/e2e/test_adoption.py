"""kill -9 of the supervisor: what runs goes on, and the next supervisor goes on with it."""

import os
import signal
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest

from benchmarks.load import LoadSpec, start
from tests.e2e.kit import FIXTURES, PYTHON, Ox
from tests.e2e.processes import alive
from tests.e2e.site import own_port

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'


def killed(ox: Ox) -> None:
    """The supervisor is killed by force, and its keeper has started another one."""
    old = ox.supervisor()
    old.send_signal(signal.SIGKILL)

    def is_followed() -> bool:
        with suppress(OSError, HTTPException):
            return ox.supervisor() != old
        return False

    ox.eventually(is_followed, "the next supervisor")


def _waits_for_its_line(process: psutil.Process) -> bool:
    with suppress(psutil.Error):  # one that has ended has no command any more
        return "read line" in " ".join(process.cmdline())
    return False


def test_nothing_is_noticed_by_apps_and_their_clients(ox: Ox):
    port = own_port()
    ox.write(
        f'[processes.web]\ncommand = "{PYTHON} {FIXTURES}/handed.py 1"\n'
        f'listen = "127.0.0.1:{port}"\nrestart_on_exit = true\n'
        f'[processes.count]\ncommand = "{PYTHON} {FIXTURES}/numbered.py 1000000"\n'
        "start_secs = 0\n"
    )
    ox.done("start")
    before = ox.pid("web"), ox.pid("count")
    with start(LoadSpec(f"127.0.0.1:{port}", concurrency=4, pause=0.005)) as load:
        load.wait_answers(20)
        for _ in range(3):
            killed(ox)
        load.wait_answers(20)
        whole = load.stop().whole

    assert whole.failures == 0, whole
    assert (ox.pid("web"), ox.pid("count")) == before
    assert [row["restarts"] for row in ox.rows().values()] == [0, 0]


def test_a_reload_after_it_has_no_gap(ox: Ox):
    port = own_port()
    ox.write(
        f'[processes.web]\ncommand = "{PYTHON} {FIXTURES}/handed.py 1"\n'
        f'listen = "127.0.0.1:{port}"\n'
    )
    ox.done("start")
    old = ox.pid("web")
    killed(ox)
    assert ox.rows()["web"]["listen"] == [f"127.0.0.1:{port}"]
    with start(LoadSpec(f"127.0.0.1:{port}", concurrency=4, pause=0.005)) as load:
        load.wait_answers(20)
        ox.done("reload", "web")
        load.wait_answers(20)
        whole = load.stop().whole

    assert whole.failures == 0, whole
    assert ox.pid("web") != old
    assert not alive(old)


def test_one_that_ends_in_the_gap_has_its_last_words_and_its_exit(ox: Ox):
    ox.write(
        '[processes.a]\ncommand = "echo up; read line < go; echo last words; exit 7"\n'
        "start_secs = 0\nrestart_on_exit = false\n"
    )
    os.mkfifo(ox.folder / "go")
    ox.done("start")
    old = ox.supervisor()
    old.send_signal(signal.SIGSTOP)  # it can see nothing any more
    (ox.folder / "go").write_text("go\n")
    ox.eventually(lambda: not any(map(_waits_for_its_line, ox.ours())), "the app to have ended")
    old.send_signal(signal.SIGKILL)

    row = ox.becomes("a", "crashed")

    assert row["exit"]["code"] == 7
    assert "last words" in ox.done("logs", "a", "--no-prefix").splitlines()


def test_of_those_that_end_while_they_are_adopted_each_exit_is_known(ox: Ox):
    """They end one after the other, before, during and after that."""
    codes = {f"a{number}": 10 + number for number in range(40)}
    ox.write(
        "".join(
            f"[processes.{name}]\nrestart_on_exit = false\n"
            f"command = 'read line < go; sleep {(code - 10) * 0.04:.2f}; exit {code}'\n"
            for name, code in codes.items()
        )
    )
    os.mkfifo(ox.folder / "go")
    ox.done("start")
    with (ox.folder / "go").open("w") as go:
        go.write("x\n" * len(codes))
        go.flush()
        killed(ox)
        ended = {name: ox.becomes(name, "crashed")["exit"]["code"] for name in codes}

    assert ended == codes


def test_what_an_operator_wanted_is_still_wanted(ox: Ox):
    ox.write(SLEEPER + SLEEPER.replace(".a]", ".b]") + SLEEPER.replace(".a]", ".c]"))
    ox.done("start")
    ox.done("stop", "b")
    ox.done("scale", "c=2")

    killed(ox)

    rows = ox.rows()
    assert {name: row["status"] for name, row in rows.items()} == {
        "a": "running",
        "b": "stopped",
        "c:0": "running",
        "c:1": "running",
    }


def test_failures_count_on(ox: Ox):
    ox.write('[processes.a]\ncommand = "exit 3"\nrestart_delay_ms = 3600000\n')
    ox.refused(1, "start")
    before = ox.becomes("a", "backoff")

    killed(ox)

    after = ox.becomes("a", "backoff")
    assert after["next_at"][:16] == before["next_at"][:16]


def test_without_a_keeper_the_next_start_adopts(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    old = ox.pid("a")
    ox.crash()
    assert alive(old)

    ox.done("start")

    assert ox.pid("a") == old
    ox.done("stop")
    assert ox.ours() == []


def test_what_an_adopted_run_has_started_goes_with_it(ox: Ox):
    ox.write(
        f'[processes.a]\ncommand = "{PYTHON} {FIXTURES}/daemonise.py daemon stay"\nstart_secs = 0\n'
    )
    ox.done("start")
    daemon = int(ox.content("daemon"))
    killed(ox)

    ox.done("stop", "a")

    assert not alive(daemon)


def test_a_changed_oxfile_touches_nothing_that_was_adopted(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start")
    old = ox.pid("a")
    ox.write(SLEEPER.replace("3600", "3601"))

    killed(ox)

    assert ox.pid("a") == old
    assert "changed: oxtrio reload a" in ox.done("start")
    ox.done("reload", "a")
    assert Path(f"/proc/{ox.pid('a')}/cmdline").read_bytes() == b"sleep\x003601\x00"


def test_an_oxfile_that_is_broken_by_then_holds_as_it_was(ox: Ox):
    ox.up(SLEEPER)
    pid = ox.pid("a")
    whole = (ox.folder / "oxfile.toml").read_text()
    ox.write("[[[")

    ox.supervisor().kill()

    ox.becomes("a", "running")
    assert ox.pid("a") == pid
    assert "what it said before holds" in ox("status").stderr
    ox.refused(2, "restart", "a")
    ox.write(whole)
    ox.done("restart", "a")
    assert ox("status").stderr == ""


def test_kill_ends_what_was_left_first(ox: Ox):
    ox.write(SLEEPER + '[supervisor]\non_crash = "kill"\n')
    ox.done("start")
    old = ox.pid("a")

    killed(ox)

    assert not alive(old)
    assert ox.becomes("a", "running", after=old)


def test_where_nothing_is_left_everything_begins_anew(ox: Ox):
    ox.write(
        '[processes.migrate]\ncommand = "echo done >> done"\nrestart_on_exit = false\n'
        + SLEEPER.replace("[processes.a]", '[processes.a]\ndepends_on = { migrate = "completed" }')
    )
    ox.done("start")
    app = ox.pid("a")
    ox.crash()
    os.kill(app, signal.SIGKILL)

    ox.done("start")

    assert ox.rows()["a"]["status"] == "running"
    assert (ox.folder / "done").read_text() == "done\ndone\n"


def test_who_was_started_before_the_app_was_scaled_is_adopted_again_and_again(ox: Ox):
    ox.up('[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\ninstances = 2\n')
    ox.done("scale", "a=3")
    before = {name: ox.pid(name) for name in ("a:0", "a:1", "a:2")}

    for _ in range(2):
        killed(ox)
        ox.done("upgrade")

    assert {name: ox.pid(name) for name in before} == before

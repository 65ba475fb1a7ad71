"""Whom a stop reaches, in which order, and that nothing survives it."""

import os
import signal

import psutil
import pytest

from tests.e2e.kit import FIXTURES, PYTHON, Ox
from tests.e2e.processes import alive

pytestmark = pytest.mark.slow

MASTER = """
import os, signal, sys
def note(text):
    with open(sys.argv[1], "a") as file:
        file.write(text + "\\n")
def ended(number, frame):
    note(f"{who} {signal.Signals(number).name}")
    if who == "master":
        if "tells" in sys.argv:
            os.kill(child, signal.SIGINT)
        os.waitpid(child, 0)
    os._exit(0)
who = "master"
child = os.fork()
if child == 0:
    who = "worker"
signal.signal(signal.SIGTERM, ended)
signal.signal(signal.SIGINT, ended)
note(f"{who} ready")
while True:
    signal.pause()
"""


TOLD = [
    (" tells", "", ["master SIGTERM", "worker SIGINT"]),
    (" tells", 'stop_signal = "INT"\n', ["master SIGINT", "worker SIGINT"]),
    ("", 'stop_signal_to = "group"\n', ["master SIGTERM", "worker SIGTERM"]),
]


def test_workers_are_told_by_their_master_unless_the_oxfile_says_all(ox: Ox):
    ox.write(MASTER, "master.py")
    ox.write(
        "".join(
            f'[processes.a{number}]\ncommand = "{PYTHON} master.py heard{number}{manner}"\n'
            f"start_secs = 0\n{keys}"
            for number, (manner, keys, _) in enumerate(TOLD)
        )
    )
    ox.done("start")
    for number in range(len(TOLD)):
        ox.content(f"heard{number}", lambda text: text.count("ready") == 2)

    ox.done("stop")

    for number, (_, _, heard) in enumerate(TOLD):
        lines = (ox.folder / f"heard{number}").read_text().splitlines()
        assert sorted(line for line in lines if "ready" not in line) == heard


def test_behind_a_shell_its_direct_children_are_told(ox: Ox):
    ox.up(
        f"[processes.a]\ncommand = 'cd . && {PYTHON} {FIXTURES}/trapmark.py heard; true'\n"
        "stop_timeout_ms = 60000\nstart_secs = 0\n"
    )
    ox.content("heard")

    ox.done("stop", "a")

    assert (ox.folder / "heard").read_text().split()[:2] == ["ready", "SIGTERM"]


def test_what_is_deaf_is_killed_when_its_patience_is_over_with_its_twin(ox: Ox):
    ox.up(
        f'[processes.a]\ncommand = "{PYTHON} {FIXTURES}/stubborn.py ready TERM INT twin"\n'
        "stop_timeout_ms = 300\nstart_secs = 0\n"
    )
    pids = [int(ox.content(name)) for name in ("ready", "ready.twin")]

    ox.done("stop", "a")

    assert [alive(pid) for pid in pids] == [False, False]
    assert ox.rows()["a"]["status"] == "stopped"
    assert "SIGKILL" in str(ox.rows()["a"]["exit"]) or ox.rows()["a"]["exit"]["signal"] == 9


def test_a_paused_app_is_continued_so_that_it_can_stop(ox: Ox):
    ox.up('[processes.a]\ncommand = "sleep 3600"\nstop_timeout_ms = 60000\nstart_secs = 0\n')
    os.kill(ox.pid("a"), signal.SIGSTOP)
    ox.becomes("a", "paused")

    ox.done("stop", "a", "--timeout", "30")

    assert ox.rows()["a"]["exit"]["signal"] in ("SIGTERM", 15)


DAEMONISE = f"{PYTHON} {FIXTURES}/daemonise.py daemon"


@pytest.mark.parametrize("manner", ["stay", "stay wiped"])
def test_a_daemon_that_ran_away_goes_with_the_app(ox: Ox, manner: str):
    ox.up(
        f'[processes.a]\ncommand = "{DAEMONISE} {manner}"\nstop_timeout_ms = 500\nstart_secs = 0\n'
    )
    daemon = int(ox.content("daemon"))
    assert os.getsid(daemon) != ox.pid("a")

    ox.done("stop", "a")

    assert not alive(daemon)


def test_a_daemon_that_hides_from_its_run_does_not_survive_the_supervisor(ox: Ox):
    ox.write(f'[processes.a]\ncommand = "{DAEMONISE} stay wiped"\nstart_secs = 0\n')
    ox.done("start")
    daemon = int(ox.content("daemon"))

    ox.done("stop")

    assert not alive(daemon)


def test_what_a_leader_leaves_behind_is_gone_before_the_next_run(ox: Ox):
    ox.write(
        "import os, signal, sys, time\nif os.fork() == 0:\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    open(f'child{os.getppid()}', 'w').write(str(os.getpid()))\n    time.sleep(3600)\n"
        "while not os.path.exists(f'child{os.getpid()}'):\n    time.sleep(0.01)\n"
        "for path in os.listdir():\n"
        "    if path.startswith('child') and path != f'child{os.getpid()}':\n"
        "        print(path, os.path.exists(f'/proc/{open(path).read()}'), flush=True)\n"
        "time.sleep(3600)\n",
        "leader.py",
    )
    ox.up(f'[processes.a]\ncommand = "{PYTHON} leader.py"\nstart_secs = 0\nstop_timeout_ms = 300\n')
    old = ox.pid("a")
    child = int(ox.content(f"child{old}"))

    os.kill(old, signal.SIGKILL)

    ox.becomes("a", "running", after=old)
    ox.eventually(lambda: f"child{old}" in ox.done("logs", "a"), "the second run")
    assert f"child{old} False" in ox.done("logs", "a")
    assert not alive(child)


def test_where_no_run_follows_the_rest_stays_is_shown_and_goes_with_stop(ox: Ox):
    ox.up("[processes.a]\ncommand = 'sleep 3600 & sleep 3601 & exit 0'\n")

    row = ox.becomes("a", "exited")

    assert row["leftover"] == 2
    assert "2 processes left" in ox.done("status")
    left = [each for each in ox.ours() if each.name() == "sleep" and each.pid != ox.pid("canary")]
    assert len(left) == 2
    ox.done("stop", "a")
    assert not any(alive(each.pid) for each in left)


def test_many_stubborn_apps_use_up_their_patience_together(ox: Ox):
    ox.write(
        "".join(
            f"[processes.a{number}]\n"
            f"command = '{PYTHON} {FIXTURES}/stubborn.py ready{number} TERM'\n"
            "stop_timeout_ms = 1000\nstart_secs = 0\n"
            for number in range(6)
        )
    )
    ox.done("start")
    for number in range(6):
        ox.content(f"ready{number}")

    stopping = ox.foreground("stop")

    ox.eventually(
        lambda: {row["status"] for row in ox.rows().values()} == {"stopping"},
        "all of them to be stopping at the same time",
    )
    assert stopping.ends() == 0, stopping.err
    assert ox.ours() == []


def test_dependents_stop_before_what_they_depend_on(ox: Ox):
    trap = 'trap "echo {0} >> order; exit 0" TERM; touch {0}.up; while :; do sleep 0.05; done'
    apps = {"db": "", "api": 'depends_on = ["db"]', "web": 'depends_on = ["api"]'}
    ox.write(
        "".join(
            f"[processes.{name}]\ncommand = '''{trap.format(name)}'''\nstart_secs = 0\n{keys}\n"
            for name, keys in apps.items()
        )
    )
    ox.done("start")
    for name in apps:
        ox.eventually((ox.folder / f"{name}.up").exists, f"{name} to be up")

    ox.done("stop")

    assert (ox.folder / "order").read_text().split() == ["web", "api", "db"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_supervisor_stops_all_in_order_and_a_second_one_kills(
    ox: Ox, number: signal.Signals
):
    ox.write(
        f"[processes.deaf]\ncommand = '{PYTHON} {FIXTURES}/stubborn.py ready TERM'\n"
        "stop_timeout_ms = 3600000\nstart_secs = 0\n"
        f"[processes.hears]\ncommand = '{PYTHON} {FIXTURES}/trapmark.py heard'\nstart_secs = 0\n"
    )
    ox.done("start")
    ox.content("ready")
    ox.content("heard")
    supervisor = ox.supervisor()

    supervisor.send_signal(number)
    ox.becomes("hears", "stopped")
    assert ox.rows()["deaf"]["status"] == "stopping", "control still answers"
    assert (ox.folder / "heard").read_text().split()[:2] == ["ready", "SIGTERM"]
    supervisor.send_signal(number)

    ox.eventually(lambda: not ox.ours(), "nothing to be left")


def test_stop_wins_over_a_start_that_waits(ox: Ox):
    ox.up('[processes.slow]\ncommand = "sleep 3600"\nstart_secs = 3600\n', "canary")
    starting = ox.foreground("start", "slow")
    ox.becomes("slow", "starting")

    ox.done("stop", "slow")

    assert starting.ends() == 1
    assert starting.err.count("error: ") == 1
    assert ox.rows()["slow"]["status"] == "stopped"


def test_stop_during_a_backoff_ends_it(ox: Ox):
    ox.up("[processes.a]\ncommand = 'exit 1'\nrestart_delay_ms = 3600000\n", "canary")
    ox.refused(1, "start", "a")
    assert ox.rows()["a"]["next_at"]

    ox.done("stop", "a")

    assert (ox.rows()["a"]["status"], ox.rows()["a"]["next_at"]) == ("stopped", None)


def test_start_during_a_stop_comes_after_it(ox: Ox):
    ox.up(
        f"[processes.a]\ncommand = '{PYTHON} {FIXTURES}/stubborn.py ready TERM'\n"
        "stop_timeout_ms = 1000\nstart_secs = 0\n"
    )
    old = int(ox.content("ready"))
    stopping = ox.foreground("stop", "a")
    ox.becomes("a", "stopping")

    ox.done("start", "a")

    assert stopping.process.wait(60) in (0, 1)
    stubborn = [each for each in ox.ours() if "stubborn" in " ".join(each.cmdline()[2:4])]
    assert [each.pid for each in stubborn] == [ox.pid("a")]
    assert not alive(old)


def test_the_bound_of_a_shutdown_cuts_every_patience_short(ox: Ox):
    ox.write(
        "[supervisor]\nstop_timeout_ms = 300\n"
        f"[processes.a]\ncommand = '{PYTHON} {FIXTURES}/stubborn.py ready TERM'\n"
        "stop_timeout_ms = 3600000\nstart_secs = 0\n"
    )
    ox.done("start")
    pid = int(ox.content("ready"))

    ox.done("stop")

    assert not alive(pid)


def test_a_process_that_keeps_forking_is_caught(ox: Ox):
    ox.up(
        "[processes.a]\n"
        "command = 'trap \"\" TERM; while :; do setsid sleep 1000 & sleep 0.02; done'\n"
        "stop_timeout_ms = 300\nstart_secs = 0\n"
    )
    leader = psutil.Process(ox.pid("a"))
    ox.eventually(lambda: len(leader.children(recursive=True)) > 10, "some children")

    ox.done("stop", "a")

    ours = [each.pid for each in ox.ours() if each.name() in ("sleep", "setsid", "sh")]
    assert ours == [ox.pid("canary")]

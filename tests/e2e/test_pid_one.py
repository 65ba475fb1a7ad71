"""oxtrio as PID 1 of a PID namespace, as in a container."""

import os
import signal
import time

import pytest

from tests.e2e.container import Container, Manner
from tests.e2e.kit import FIXTURES, PYTHON, Ox, needs_root
from tests.e2e.processes import zombies

pytestmark = [pytest.mark.slow, needs_root]

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
DAEMON = f"{PYTHON} {FIXTURES}/daemonise.py daemon"
STUBBORN = f"{PYTHON} {FIXTURES}/stubborn.py ready TERM"
MANNERS = {
    "root": Manner(),
    "rootless": Manner(rootless=True),
    "read-only": Manner(read_only=True),
    "read-only, a user without rights": Manner(read_only=True, user=True),
}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("exit 0", 0),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill -KILL $$", 137),
        ("kill -TERM $$", 143),
        ("kill -SEGV $$", 139),
        ("exec no-such-program-of-ours", 127),
    ],
)
def test_the_container_ends_with_the_code_of_its_app(ox: Ox, command: str, code: int):
    ox.write(
        f"[processes.a]\ncommand = '{command}'\nrestart_on_exit = false\non_exit = 'shutdown'\n"
        + SLEEPER.replace(".a", ".b")
    )

    assert Container(ox, "run").running.ends() == code


def test_orphans_are_reaped_whoever_they_belong_to(ox: Ox):
    ox.write(
        "[processes.a]\ncommand = 'for i in 1 2 3 4 5 6 7 8 9; do (setsid sleep 0.1 &); done;"
        " touch orphaned; exec sleep 3600'\nstart_secs = 0\n"
    )
    container = Container(ox, "run")
    first = container.first
    ox.eventually((ox.folder / "orphaned").exists, "the orphans")

    os.system(f"nsenter -t {first.pid} -p -m sh -c '(sleep 0.1 &)'")  # as `docker exec` would

    ox.eventually(lambda: len(first.children()) == 1, "all orphans to end")
    assert zombies(first) == []
    assert container.stop() == 0


def test_term_stops_in_order(ox: Ox):
    ox.write(f"[processes.a]\ncommand = '{PYTHON} {FIXTURES}/trapmark.py heard'\nstart_secs = 0\n")
    container = Container(ox, "run")
    ox.content("heard")

    assert container.stop() == 0

    assert (ox.folder / "heard").read_text().split()[:2] == ["ready", "SIGTERM"]


@pytest.mark.parametrize("wait", [0.0, 0.08])
def test_a_signal_that_comes_while_oxtrio_is_being_imported_is_not_lost(ox: Ox, wait: float):
    ox.write(SLEEPER)
    container = Container(ox, "run")
    first = container.first

    def is_python() -> bool:
        # Before that nobody can hold a signal back, neither we nor anybody else.
        line = first.cmdline()
        return bool(line) and "python" in line[0] and blocks(first.pid)

    ox.eventually(is_python, "the first statement")
    time.sleep(wait)

    assert container.stop() == 0


def blocks(pid: int) -> bool:
    """Whether SIGTERM is held back, or already has a handler."""
    with open(f"/proc/{pid}/status") as file:
        masks = dict(line.split(":") for line in file if line.startswith("Sig"))
    bit = 1 << (signal.SIGTERM - 1)
    return any(int(masks[name], 16) & bit for name in ("SigBlk", "SigCgt"))


def test_what_is_left_at_the_end_ends_with_the_container(ox: Ox):
    ox.write(
        f"[processes.a]\nrestart_on_exit = false\ncommand = '{DAEMON}'\n"
        f"[processes.b]\ncommand = '{STUBBORN}'\nstop_timeout_ms = 300\nstart_secs = 0\n"
        "[processes.end]\n"
        "command = 'until test -e ready -a -e daemon; do sleep 0.02; done; exit 7'\n"
        "restart_on_exit = false\non_exit = 'shutdown'\n"
    )

    assert Container(ox, "run").running.ends() == 7

    assert ox.ours() == []


@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS)
def test_it_is_steered_from_inside_whatever_may_be_written(ox: Ox, manner: Manner):
    ox.write(SLEEPER + SLEEPER.replace(".a", ".b"))
    container = Container(ox, "run", manner=manner)
    old = container.becomes("a", "running")["pid"]

    assert container.exec("status", "--ready").returncode == 0
    assert container.exec("restart", "a").returncode == 0
    assert container.rows()["a"]["pid"] != old
    assert "a has been running" in container.exec("why", "a").stdout
    stopped = container.exec("stop")

    assert container.running.ends() == 0
    assert "a: stopped" in stopped.stdout
    # The end of the container is that of everybody in it: it may be told, or killed before.
    assert stopped.returncode in (0, -signal.SIGKILL)
    said = container.running.err
    assert said.count("everything stays in memory") == (not manner.has_folders), said


@pytest.mark.parametrize("manner", [Manner(), Manner(read_only=True, user=True)], ids=str)
def test_what_no_writable_folder_changes_for_an_app(ox: Ox, manner: Manner):
    ox.write(
        "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(print('last words')))\n"
        "print('up')\nsignal.pause()\n",
        "hears.py",
    )
    ox.write(
        "[processes.a]\ncommand = 'echo one; echo two >&2; exit 3'\nrestart_delay_ms = 1\n"
        f"max_restarts = 3\n[processes.hears]\ncommand = '{PYTHON} -u hears.py'\n"
    )
    container = Container(ox, "run", "--no-prefix", manner=manner)
    container.running.says("up")
    row = container.becomes("a", "crashed")

    assert row["exit"]["code"] == 3
    assert container.exec("logs", "a", "-n", "1").stdout.endswith(("one\n", "two\n"))
    assert container.exec("events").stdout.count("exit code 3") >= 3
    # What was given up is the failure of the whole, and what stops is let finish.
    assert container.stop() == 3
    assert container.running.out.splitlines().count("one") >= 3
    assert container.running.out.endswith("last words\n")


def test_containers_that_share_their_network_are_told_apart_by_name(ox: Ox):
    ox.write(SLEEPER + SLEEPER.replace(".a", ".b"))
    pod = {
        name: Container(ox, "-p", name, "run", name, manner=Manner(read_only=True))
        for name in ("a", "b")
    }

    for name, container in pod.items():
        up = container.first  # each is the first process of its own
        ox.eventually(
            lambda c=container, n=name: c.exec("-p", n, "status", "--ready").returncode == 0,
            "it to be ready",
        )
        assert f"\n{name}  " in container.exec("-p", name, "status", name).stdout
        assert up.is_running()
    assert pod["a"].exec("-p", "a", "stop").stdout.startswith("a: stopped")
    assert pod["b"].exec("-p", "b", "status", "--ready").returncode == 0
    assert pod["b"].stop() == pod["a"].running.ends() == 0


def test_kill_from_outside_leaves_nothing(ox: Ox):
    ox.write(SLEEPER)
    container = Container(ox, "run")
    first = container.first
    ox.becomes("a", "running")

    first.kill()

    container.running.process.wait(30)
    ox.eventually(lambda: not ox.ours(), "the container to be gone")


def test_a_full_stop_that_may_take_too_long_is_said_at_the_start(ox: Ox):
    chain = "".join(
        f"[processes.{name}]\ncommand = 'sleep 3600'\nstop_timeout_ms = 4000\n{needs}"
        for name, needs in {"db": "", "api": "depends_on=['db']\n", "web": ""}.items()
    )
    for text, said in (
        (chain, "oxtrio: a full stop takes at most 8 s\n"),
        (
            "[supervisor]\nstop_timeout_ms = 12000\n" + chain.replace("4000", "20000"),
            "oxtrio: warning: a full stop can take 12 s, but container engines kill after 10 s",
        ),
    ):
        ox.write(text)
        container = Container(ox, "run")
        ox.eventually(lambda c=container, s=said: s in c.running.err, "it to be said")
        assert container.stop() == 0
    assert "at most 12 s" in ox.done("validate")

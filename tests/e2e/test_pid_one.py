"""oxtrio as PID 1 of a PID namespace, as in a container."""

import os
import signal
import time

import psutil
import pytest

from tests.e2e.kit import FIXTURES, PYTHON, Ox, needs_root
from tests.e2e.processes import Foreground, zombies

pytestmark = [pytest.mark.slow, needs_root]

CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'


def container(ox: Ox, *words: str) -> Foreground:
    return ox.foreground(*words, prefix=CONTAINER)


def first_process(ox: Ox, running: Foreground) -> psutil.Process:
    """PID 1 of the container, seen from outside: `unshare` itself swallows signals."""
    outer = psutil.Process(running.process.pid)

    def child() -> psutil.Process | None:
        found = outer.children()
        return found[0] if found else None

    return ox.eventually(child, "the first process of the container")


@pytest.mark.parametrize(
    ("command", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143)],
)
def test_the_container_ends_with_the_code_of_its_app(ox: Ox, command: str, code: int):
    ox.write(
        f"[processes.a]\ncommand = '{command}'\nrestart_on_exit = false\non_exit = 'shutdown'\n"
        + SLEEPER.replace(".a", ".b")
    )

    assert container(ox, "run").ends() == code


def test_orphans_are_reaped_whoever_they_belong_to(ox: Ox):
    ox.write(
        "[processes.a]\ncommand = 'for i in 1 2 3 4 5 6 7 8 9; do (setsid sleep 0.1 &); done;"
        " touch orphaned; exec sleep 3600'\nstart_secs = 0\n"
    )
    running = container(ox, "run")
    first = first_process(ox, running)
    ox.eventually((ox.folder / "orphaned").exists, "the orphans")

    os.system(f"nsenter -t {first.pid} -p -m sh -c '(sleep 0.1 &)'")  # as `docker exec` would

    ox.eventually(lambda: len(first.children()) == 1, "all orphans to end")
    assert zombies(first) == []
    first.send_signal(signal.SIGTERM)
    assert running.ends() == 0


def test_term_stops_in_order(ox: Ox):
    ox.write(f"[processes.a]\ncommand = '{PYTHON} {FIXTURES}/trapmark.py heard'\nstart_secs = 0\n")
    running = container(ox, "run")
    ox.content("heard")

    first_process(ox, running).send_signal(signal.SIGTERM)

    assert running.ends() == 0
    assert (ox.folder / "heard").read_text().split()[:2] == ["ready", "SIGTERM"]


@pytest.mark.parametrize("wait", [0.0, 0.08])
def test_a_signal_that_comes_while_oxtrio_is_being_imported_is_not_lost(ox: Ox, wait: float):
    ox.write(SLEEPER)
    running = container(ox, "run")
    first = first_process(ox, running)

    def is_python() -> bool:
        # Before that nobody can hold a signal back, neither we nor anybody else.
        return "python" in first.cmdline()[0] and blocks(first.pid)

    ox.eventually(is_python, "the first statement")
    time.sleep(wait)
    first.send_signal(signal.SIGTERM)

    assert running.ends() == 0


def blocks(pid: int) -> bool:
    """Whether SIGTERM is held back, or already has a handler."""
    with open(f"/proc/{pid}/status") as file:
        masks = dict(line.split(":") for line in file if line.startswith("Sig"))
    bit = 1 << (signal.SIGTERM - 1)
    return any(int(masks[name], 16) & bit for name in ("SigBlk", "SigCgt"))


def test_what_is_left_at_the_end_ends_with_the_container(ox: Ox):
    ox.write(
        "[processes.a]\nrestart_on_exit = false\n"
        f"command = '{PYTHON} {FIXTURES}/daemonise.py daemon'\n"
        f"[processes.b]\ncommand = '{PYTHON} {FIXTURES}/stubborn.py ready TERM'\n"
        "stop_timeout_ms = 300\nstart_secs = 0\n"
        "[processes.end]\n"
        "command = 'until test -e ready -a -e daemon; do sleep 0.02; done; exit 7'\n"
        "restart_on_exit = false\non_exit = 'shutdown'\n"
    )

    assert container(ox, "run").ends() == 7

    assert ox.ours() == []


def test_it_is_steered_from_inside(ox: Ox):
    ox.write(SLEEPER)
    running = container(ox, "run")
    first = first_process(ox, running)
    ox.becomes("a", "running")
    inside = ("nsenter", "-t", str(first.pid), "-p", "-m", f"--wd={ox.folder}")

    assert "running" in ox.done("status", prefix=inside)
    assert ox("status", "--ready", prefix=inside).returncode == 0
    stopped = ox("stop", prefix=inside)

    assert running.ends() == 0
    assert "a: stopped" in stopped.stdout
    # The end of the container is that of everybody in it: it may be told, or killed before.
    assert stopped.returncode in (0, -signal.SIGKILL)


def test_one_command_is_run_without_an_oxfile(ox: Ox):
    running = container(ox, "run", "--", "sh", "-c", "echo $PPID; exit 0")

    assert running.ends() == 0
    assert running.out == "1\n"


def test_kill_from_outside_leaves_nothing(ox: Ox):
    ox.write(SLEEPER)
    running = container(ox, "run")
    first = first_process(ox, running)
    ox.becomes("a", "running")

    first.kill()

    running.process.wait(30)
    ox.eventually(lambda: not ox.ours(), "the container to be gone")

"""Containers of every kind: terminals, other inits, images with next to nothing, no rights."""

import os
import signal
import sys
import termios

import pytest

from tests.e2e.container import Container, Manner
from tests.e2e.kit import FIXTURES, PYTHON, Ox, needs_root
from tests.e2e.processes import alive
from tests.e2e.stack import free_port
from tests.faults.terminal import CTRL_C, CTRL_Z, terminal

pytestmark = [pytest.mark.slow, needs_root]

TRAP = f"{PYTHON} {FIXTURES}/trapmark.py"
DAEMON = f"{PYTHON} {FIXTURES}/daemonise.py"


def app(name: str, command: str, keys: str = "") -> str:
    return f"[processes.{name}]\ncommand = '''{command}'''\nstart_secs = 0\n{keys}\n"


def heard(ox: Ox, name: str) -> list[str]:
    """The signals that reached an app; SIGCONT follows each stop."""
    return [each for each in ox.content(name).split() if each not in ("ready", "SIGCONT")]


def test_i07_as_pid_1_on_a_terminal_ctrl_c_stops_and_nothing_else_halts(ox: Ox):
    ox.write(app("a", f"{TRAP} heard"))
    with terminal() as at:
        container = Container(
            ox, "run", manner=Manner(before=("setsid", "--ctty")), stdin=at.program
        )
        ox.content("heard")
        container.becomes("a", "running")

        at.type(CTRL_Z)
        termios.tcsetwinsize(at.person, (40, 120))
        container.first.send_signal(signal.SIGTTOU)
        assert container.exec("status", "--ready").returncode == 0
        assert container.first.status() != "stopped"
        at.type(CTRL_C)

        assert container.running.ends() == 0
    assert heard(ox, "heard") == ["SIGTERM"], "it has a session of its own"


def test_i08_where_it_cannot_take_orphans_in_they_go_with_the_app_all_the_same(ox: Ox):
    without = (sys.executable, f"{FIXTURES}/without.py", "prctl")
    ox.write(app("a", f"{DAEMON} daemon stay", "stop_timeout_ms = 500") + app("b", "sleep 3600"))
    ox.done("start", prefix=without)
    daemon = int(ox.content("daemon"))

    ox.done("stop", "a")

    assert not alive(daemon)
    assert ox.rows()["b"]["status"] == "running"


@pytest.mark.parametrize("to", ["pid", "group"])
def test_i09_under_another_init_an_app_is_told_once(ox: Ox, to: str):
    ox.write(app("a", f"{TRAP} heard"))
    ox.write(
        "import os, signal, subprocess, sys\n"
        "running = subprocess.Popen(sys.argv[2:], process_group=0)\n"
        "def told(number, frame):\n"
        "    (os.killpg if sys.argv[1] == 'group' else os.kill)(running.pid, number)\n"
        "signal.signal(signal.SIGTERM, told)\n"
        "raise SystemExit(running.wait())\n",
        "init.py",
    )
    running = ox.foreground("run", prefix=(*PYTHON.split(), "init.py", to))
    ox.content("heard")

    running.signal(signal.SIGTERM)

    assert running.ends() == 0
    assert heard(ox, "heard") == ["SIGTERM"]


def test_i09_within_another_oxtrio_an_app_is_told_once_and_nothing_is_left(ox: Ox):
    ox.write(app("a", f"{TRAP} heard") + app("b", f"{DAEMON} daemon stay"))
    container = Container(ox, "run", "--", "oxtrio", "run", "--no-prefix")
    ox.content("heard")
    ox.content("daemon")

    assert container.stop() == 0

    assert heard(ox, "heard") == ["SIGTERM"]
    assert ox.ours() == []


@pytest.mark.parametrize("read_only", [False, True], ids=["", "read-only"])
def test_i12_i13_an_image_with_nothing_but_python_is_enough(ox: Ox, read_only: bool):
    ox.write("print('up', flush=True)\nimport time\ntime.sleep(3600)\n", "app.py")
    ox.write(f"[processes.a]\ncommand = ['{sys.executable}', '-IS', 'app.py']\nstart_secs = 0\n")
    container = Container(ox, "run", manner=Manner(minimal=True, read_only=read_only))

    container.running.says("up")

    assert container.becomes("a", "running")["pid"]
    assert container.run("/bin/sh", "-c", "exit 0").returncode != 0, "there is none"
    assert container.exec("restart", "a").returncode == 0
    assert container.exec("logs", "a").stdout.startswith("up\n")
    assert container.stop() == 0
    assert "internal error" not in container.running.err


def test_i16_without_any_right_all_of_it_works_but_what_needs_one(ox: Ox):
    (ox.folder / "mine").mkdir()
    os.chown(ox.folder / "mine", 54321, 54321)
    ox.write(
        app("a", f"{DAEMON} mine/daemon stay", "stop_timeout_ms = 500")
        + f"[processes.held]\ncommand = 'sleep 3600'\nlisten = '127.0.0.1:{free_port()}'\n"
        + "[processes.held.limits]\nmemory_mb = 500\n"
    )
    container = Container(ox, "run", manner=Manner(user=True))
    daemon = int(ox.content("mine/daemon"))
    assert container.becomes("held", "starting")["listen"]

    assert container.exec("stop", "a").returncode == 0
    assert container.rows()["a"]["status"] == "stopped"
    # Pids are other ones inside.
    assert daemon not in [
        int(pid) for pid in container.run("ls", "/proc").stdout.split() if pid.isdigit()
    ]
    assert "subreaper" in container.exec("doctor").stdout
    assert container.stop() == 0


def test_i16_what_needs_a_right_is_refused_by_name(ox: Ox):
    ox.write(app("a", "sleep 3600", "user = 'daemon'"))

    running = Container(ox, "run", manner=Manner(user=True)).running

    assert running.ends() == 2
    assert running.err.count("error: ") == 1
    assert "user" in running.err

"""P19: a pid that somebody else has by now is never signalled."""

import signal
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from tests.e2e.kit import PYTHON, Ox, needs_root
from tests.e2e.processes import DEADLINE

pytestmark = [pytest.mark.slow, needs_root]

FIRST = "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True: signal.pause()"
"""PID 1 of the namespace: what it inherits is reaped by the kernel."""
STRANGER = "echo {0} > /proc/sys/kernel/ns_last_pid; sleep 3600 > /dev/null 2>&1 & echo $!"


class Namespace:
    """Pids of its own, in which nobody forks but who is told to."""

    def __init__(self, ox: Ox, unshare: psutil.Process) -> None:
        [first] = ox.eventually(unshare.children, "the first process")
        self.prefix = ("nsenter", "-t", str(first.pid), "-p", "-m", f"--wd={ox.folder}")

    def does(self, script: str) -> str:
        """What a shell in it prints; it carries no mark of this test, and none of oxtrio."""
        return subprocess.run(
            [*self.prefix, "/bin/sh", "-c", script],
            env={"PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        ).stdout.strip()

    def kill(self, number: signal.Signals, pid: int) -> None:
        self.does(f"kill -{number.value} {pid}")

    def state(self, pid: int) -> str:
        """Its letter; "" where there is none."""
        return self.does(f"cut -d' ' -f3 /proc/{pid}/stat 2>/dev/null || true")


@pytest.fixture
def inside(ox: Ox) -> Iterator[Namespace]:
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    outer = subprocess.Popen([*unshare, *PYTHON.split(), "-c", FIRST])
    try:
        yield Namespace(ox, psutil.Process(outer.pid))
    finally:
        outer.kill()
        outer.wait(DEADLINE)


def test_p19_a_stranger_with_the_pid_of_an_app_that_died_unseen_is_not_hit(
    ox: Ox, inside: Namespace
):
    """An adopted app: its keeper reaps it, while the supervisor stands still and sees nothing."""
    ox.write('[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\nrestart_on_exit = false\n')
    ox.done("start", prefix=inside.prefix)
    pid, first = ox.pid("a"), ox.ask("/v1/supervisor")["pid"]
    inside.kill(signal.SIGKILL, first)
    ox.eventually(lambda: ox.rows() and ox.ask("/v1/supervisor")["pid"] != first, "the next one")
    assert ox.pid("a") == pid
    second = ox.ask("/v1/supervisor")["pid"]

    inside.kill(signal.SIGSTOP, second)
    stopping = ox.foreground("stop", "a", prefix=inside.prefix)
    inside.kill(signal.SIGKILL, pid)
    ox.eventually(lambda: inside.state(pid) == "", "the keeper to reap it")
    assert inside.does(STRANGER.format(pid - 1)) == str(pid)
    inside.kill(signal.SIGCONT, second)

    assert stopping.ends() in (0, 1)
    assert ox.becomes("a", "stopped", "crashed")["pid"] is None
    ox.done("stop", prefix=inside.prefix)
    assert inside.state(pid) == "S"

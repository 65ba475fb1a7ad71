"""A machine that lacks what others have: pidfds, /proc, a cgroup, descriptors at the start."""

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.kit import FIXTURES, PYTHON, Ox, needs_root
from tests.e2e.processes import alive
from tests.faults.scarcity import without

pytestmark = pytest.mark.slow

SLEEPER = "[processes.a]\ncommand = 'sleep 3600'\nstart_secs = 0\n"
FAMILY = (
    SLEEPER + f"[processes.deaf]\ncommand = '{PYTHON} {FIXTURES}/stubborn.py deaf TERM twin'\n"
    "start_secs = 0\nstop_timeout_ms = 300\n"
    f"[processes.daemon]\ncommand = '{PYTHON} {FIXTURES}/daemonise.py daemon stay'\n"
    "start_secs = 0\n"
    "[processes.ends]\ncommand = 'exit 6'\nrestart_delay_ms = 3600000\n"
    "[processes.says]\ncommand = 'echo said; exec sleep 3600'\nstart_secs = 0\n"
)
"""Everything that is to be seen, told and ended."""
CGROUPS = Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")


def check_the_family(ox: Ox) -> None:
    """It is started, seen, restarted, signalled and ended as anywhere else."""
    assert ox.becomes("ends", "backoff")["exit"]["code"] == 6
    assert ox.done("logs", "says") == "said\n"
    daemon = int(ox.content("daemon"))
    pids = [int(ox.content(name)) for name in ("deaf", "deaf.twin")]
    old = ox.pid("a")
    ox.done("restart", "a")
    assert not alive(old)
    ox.done("signal", "USR1", "a")
    ox.becomes("a", "backoff", "running", after=ox.pid("says"))
    os.kill(killed := ox.pid("says"), signal.SIGKILL)
    assert ox.becomes("says", "running", after=killed)["exit"]["signal"] == "SIGKILL"
    ox.done("stop", "daemon", "deaf")
    assert not any(map(alive, [daemon, *pids]))
    ox.done("stop")
    assert ox.ours() == []


def test_x09_without_pidfds_everything_is_as_it_is_with_them(ox: Ox):
    ox.write(FAMILY)

    assert ox("start", prefix=without("pidfd_open", "pidfd_send_signal")).returncode == 1

    check_the_family(ox)


def test_x09_without_pidfds_a_crashed_supervisor_is_followed(ox: Ox):
    ox.write(SLEEPER)
    ox.done("start", prefix=without("pidfd_open", "pidfd_getfd", "pidfd_send_signal"))
    pid, old = ox.pid("a"), ox.supervisor()

    old.send_signal(signal.SIGKILL)

    ox.eventually(lambda: ox.rows() and ox.supervisor() != old, "the next supervisor")
    ox.eventually(lambda: ox.rows()["a"]["uptime_secs"] > 2, "it to be looked at")
    assert ox.pid("a") == pid
    ox.done("stop", "a")
    assert not alive(pid)
    ox.done("start", "a")
    os.kill(pid := ox.pid("a"), signal.SIGKILL)
    assert ox.becomes("a", "running", after=pid)["exit"]["signal"] == "SIGKILL"


@needs_root
def test_x06_without_proc_apps_are_run_logged_and_ended(ox: Ox):
    ox.write(
        SLEEPER + f"[processes.deaf]\ncommand = '{PYTHON} {FIXTURES}/stubborn.py deaf TERM twin'\n"
        "start_secs = 0\nstop_timeout_ms = 300\n"
        "[processes.ends]\ncommand = 'exit 6'\nrestart_delay_ms = 3600000\n"
        "[processes.says]\ncommand = 'echo said; exec sleep 3600'\nstart_secs = 0\n"
    )
    hidden = ("unshare", "--mount", "sh", "-c", 'umount -l /proc && exec "$0" "$@"')

    assert ox("start", prefix=hidden).returncode == 1

    assert ox.becomes("ends", "backoff")["exit"]["code"] == 6
    assert ox.done("logs", "says") == "said\n"
    pids = [int(ox.content(name)) for name in ("deaf", "deaf.twin")]
    old = ox.pid("a")
    ox.done("restart", "a")
    assert not alive(old)
    os.kill(killed := ox.pid("says"), signal.SIGKILL)
    assert ox.becomes("says", "running", after=killed)["exit"]["signal"] == "SIGKILL"
    ox.done("stop", "deaf")
    assert not any(map(alive, pids))
    ox.done("stop")
    assert ox.ours() == []


@needs_root
def test_x10_with_cgroups_that_are_read_only_what_hides_is_found_by_descent(ox: Ox):
    unified = next((each for each in CGROUPS if (each / "cgroup.procs").exists()), None)
    if unified is None:
        pytest.skip("no cgroup v2 is mounted here")
    script = f'mount -o remount,bind,ro {unified} && exec "$0" "$@"'
    ox.write(f"[processes.a]\ncommand = '{PYTHON} {FIXTURES}/daemonise.py daemon stay wiped'\n")

    ox.done("start", prefix=("unshare", "--mount", "sh", "-c", script))

    assert "subreaper and descent" in ox.done("doctor")
    daemon = int(ox.content("daemon"))
    ox.done("stop", "a")
    assert not alive(daemon)


def test_x13_closed_descriptors_are_nobodys_output(ox: Ox):
    ox.write(FAMILY)
    closed = ("sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-')

    ox("start", prefix=closed)

    for number in range(3):
        assert not os.readlink(f"/proc/{ox.supervisor().pid}/fd/{number}").startswith("socket")
    check_the_family(ox)

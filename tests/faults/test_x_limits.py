"""A machine that is short of something: descriptors, processes, memory, room for arguments."""

import subprocess
import time

import pytest

from tests.e2e.kit import NOBODY, PYTHON, Ox, needs_root
from tests.faults.invariants import opened
from tests.faults.scarcity import cgroup, inside

pytestmark = pytest.mark.slow

SLEEPER = "[processes.a]\ncommand = 'sleep 3600'\nstart_secs = 0\n"
KEEN = "restart_delay_ms = 100\nrestart_delay_max_ms = 500\nmax_restarts = 0\n"


def limited(ox: Ox, descriptors: int) -> None:
    """The supervisor may have so many open from now on."""
    argv = ["prlimit", "--pid", str(ox.supervisor().pid), f"--nofile={descriptors}:"]
    subprocess.run(argv, check=True)


def states(ox: Ox, app: str = "a") -> set[str]:
    return {row["status"] for row in ox.rows().values() if row["app"] == app}


def waiting(ox: Ox) -> str:
    """The name of one that could not be started."""
    return next(name for name, row in ox.rows().items() if row["status"] == "backoff")


def test_x01_with_few_descriptors_what_fits_runs_and_the_rest_when_there_are_more(ox: Ox):
    ox.up(SLEEPER + KEEN)
    before = len(opened(ox.supervisor()))
    limited(ox, before + 40)

    failed = ox("scale", "a=30")

    assert failed.returncode == 1
    assert "too many open files" in failed.stderr
    assert states(ox) == {"running", "backoff"}
    assert sum(row["status"] == "running" for row in ox.rows().values()) >= 5
    assert "too many open files" in ox.done("why", waiting(ox))
    ox.done("restart", "canary")
    ox.done("logs", "a")
    limited(ox, 4096)
    ox.eventually(lambda: states(ox) == {"running"}, "all to run")
    ox.done("scale", "a=1")


@needs_root
def test_x02_with_few_processes_what_fits_runs_and_the_rest_when_there_are_more(ox: Ox):
    with cgroup("pids", ox.folder.name, max=16) as group:
        ox.write(SLEEPER.replace("sleep", "echo a; exec sleep") + KEEN + "instances = 20\n")

        failed = ox("start", prefix=inside(group))

        assert failed.returncode == 1
        assert "no more processes allowed" in failed.stderr
        assert states(ox) == {"running", "backoff"}
        assert "no more processes allowed" in ox.done("why", waiting(ox))
        assert "a" in ox.done("logs", "a")
        assert '"a"' in (ox.state / "state.json").read_text()
        ox.done("validate")
        (group / "pids.max").write_text("max")
        ox.eventually(lambda: states(ox) == {"running"}, "all to run")
        ox.done("stop")


@needs_root
def test_x02_as_the_first_process_it_writes_and_stops_without_a_thread(ox: Ox):
    with cgroup("pids", ox.folder.name, max=10) as group:
        ox.write(SLEEPER.replace("sleep", "while :; do echo $0; sleep 0.05; done") + KEEN + "instances = 20\n")
        running = ox.foreground("run", prefix=inside(group))
        ox.eventually(lambda: "backoff" in states(ox), "no more processes")
        seen = running.out.count("sh")
        ox.eventually(lambda: running.out.count("sh") > seen + 10, "output")

        running.signal(15)
        assert running.ends() == 0

"""A machine that is short of something: descriptors, processes, memory, room for arguments."""

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.e2e.kit import NOBODY, PYTHON, Ox, needs_root
from tests.faults.scarcity import cgroup, inside

pytestmark = pytest.mark.slow


def app(name: str, command: str, keys: str = "") -> str:
    return f"[processes.{name}]\ncommand = '''{command}'''\nstart_secs = 0\n{keys}\n"


def raised(ox: Ox, limit: int) -> None:
    """The supervisor may open more files from now on."""
    pid = ox.supervisor().pid
    subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={limit}:{limit}"], check=True)


def test_x01_with_few_descriptors_what_fits_runs_and_the_rest_follows_when_there_are_more(ox: Ox):
    ox.write(app("a", "exec sleep 3600", "instances = 40\nrestart_delay_ms = 200\nmax_restarts = 0\nrestart_delay_max_ms = 1000"))

    print(ox("start", prefix=("prlimit", "--nofile=64:64")))

    print(ox("status").stdout)
    print(ox("why", "a:39"))
    rows = ox.rows()
    assert len(rows) == 40
    states = {row["status"] for row in rows.values()}
    print(states)
    raised(ox, 4096)
    ox.eventually(lambda: {row["status"] for row in ox.rows().values()} == {"running"}, "all to run")
    ox.done("stop")


@needs_root
def test_x02(ox: Ox):
    with cgroup("pids", ox.folder.name, max=40) as limited:
        ox.write(app("a", "exec sleep 3600", "instances = 60\nrestart_delay_ms = 200\nmax_restarts = 0\nrestart_delay_max_ms = 1000"))
        print(ox("start", prefix=inside(limited)))

        print(ox("status").stdout)
        print(ox("why", "a:59"))
        print((limited / "pids.current").read_text(),(limited / "pids.max").read_text())
        (limited / "pids.max").write_text("max")
        ox.eventually(lambda: {row["status"] for row in ox.rows().values()} == {"running"}, "all to run")
        ox.done("stop")

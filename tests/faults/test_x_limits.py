"""A machine that is short of something: descriptors, processes, memory, room for arguments."""

import socket
import subprocess
from contextlib import ExitStack, suppress

import pytest

from tests.e2e.kit import PYTHON, Ox, needs_root
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
    ox.up(SLEEPER + KEEN + SLEEPER.replace(".a]", ".other]"))
    before = len(opened(ox.supervisor()))
    limited(ox, before + 40)

    failed = ox("scale", "a=30")

    assert failed.returncode == 1
    assert "too many open files" in failed.stderr
    ox.eventually(lambda: states(ox) == {"running", "backoff"}, "some to run")
    assert sum(row["status"] == "running" for row in ox.rows().values()) >= 5
    assert "too many open files" in ox.done("why", waiting(ox))
    ox.done("stop", "other")
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
        ox.eventually(lambda: states(ox) == {"running", "backoff"}, "some to run")
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
        ox.write(
            SLEEPER.replace("sleep", "while :; do echo $0; sleep 0.05; done")
            + KEEN
            + "instances = 20\n"
        )
        running = ox.foreground("run", prefix=inside(group))
        ox.eventually(lambda: "backoff" in states(ox), "no more processes")
        seen = running.out.count("sh")
        ox.eventually(lambda: running.out.count("sh") > seen + 10, "output")

        running.signal(15)
        assert running.ends() == 0


@needs_root
def test_x03_an_app_that_the_kernel_kills_for_memory_is_said_to_have_been(ox: Ox):
    with cgroup("memory", ox.folder.name) as group:
        (group / "memory.limit_in_bytes").write_text(str(160 << 20))
        ox.write(
            "[processes.a]\n"
            f"command = '''{PYTHON} -c \"x = bytearray(400 << 20)\"'''\nstart_secs = 0\n"
            "restart_delay_ms = 3600000\n" + SLEEPER.replace(".a]", ".other]")
        )

        ox("start", prefix=inside(group))

        row = ox.becomes("a", "backoff")
        assert row["exit"]["signal"] == "SIGKILL"
        assert "memory" in ox.done("why", "a")
        assert ox.rows()["other"]["status"] == "running"
        ox.done("stop")


@needs_root
def test_x04_clients_do_not_fill_the_memory_of_a_supervisor_that_has_little(ox: Ox):
    ox.up(SLEEPER)
    supervisor = ox.supervisor()
    with cgroup("memory", ox.folder.name) as group:
        (group / "memory.limit_in_bytes").write_text(str(64 << 20))
        (group / "cgroup.procs").write_text(str(supervisor.pid))
        path = str(ox.runtime / "control.sock")
        with ExitStack() as stack:
            for _ in range(300):
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.settimeout(0.2)
                with suppress(OSError):
                    client.connect(path)
                    client.sendall(
                        b"POST /v1/orders HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n"
                    )
                    client.sendall(b"x" * (1 << 20))
            assert ox.rows()["a"]["status"] == "running"
    assert ox.supervisor() == supervisor


def test_x15_a_large_environment_is_given_and_one_that_is_too_large_is_said_to_be(ox: Ox):
    fits = f"{SLEEPER}env = {{ LONG = '{'x' * 120_000}' }}\n".replace(
        "sleep", "echo ${#LONG}; sleep"
    )
    ox.write(fits)
    ox.done("start")
    assert ox.done("logs", "a") == "120000\n"

    for wrong in (
        f"[processes.b]\ncommand = 'true'\nenv = {{ LONG = '{'y' * 140_000}' }}\n",
        f"[processes.b]\ncommand = ['echo', '{'y' * 140_000}']\n",
    ):
        ox.write(fits + wrong)
        assert "longer than the 128 KiB that the system takes" in ox.refused(2, "start", "b")

    for file in "ABC":
        text = "".join(f"{file}{number}={'y' * 100_000}\n" for number in range(9))
        ox.write(text, f"{file}.env")
    ox.write(fits + "[processes.b]\ncommand = 'true'\nenv_file = ['A.env', 'B.env', 'C.env']\n")
    failed = ox.refused(1, "start", "b")
    assert "arguments and environment are too long" in failed

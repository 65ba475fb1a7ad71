"""K03, K12, K13: while the supervisor is dead, stands still, or has no memory left."""

import signal
import socket
import time
from contextlib import suppress

import psutil
import pytest

from benchmarks.load import LoadSpec, start
from tests.e2e.kit import CANARY, FIXTURES, PYTHON, Ox, needs_root
from tests.e2e.site import own_port
from tests.faults.invariants import never_two
from tests.faults.scarcity import cgroup

pytestmark = pytest.mark.slow

SLEEPER = '[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n'
COUNTING = """import time
number = 0
while True:
    print(number, flush=True)
    with open("count", "w") as file:
        file.write(str(number))
    number += 1
    time.sleep(0.005)
"""
MEMORY = 60 << 20
HUGE = b"POST /v1/apps/a/start HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n"


def test_k01_k03_while_nobody_reads_an_app_goes_on_writing_and_no_line_is_missing(ox: Ox):
    ox.write(COUNTING, "counting.py")
    ox.write(
        f"[processes.a]\ncommand = '{PYTHON} counting.py'\nstart_secs = 0\nlog_file = 'a.log'\n"
        + CANARY
    )
    ox.done("start")
    before = ox.rows()["a"]
    with never_two(ox, "a", "canary"):
        ox.content("a.log")
        ox.crash()
        left = int(ox.content("count"))
        ox.content("count", lambda text: text and int(text) > left + 100)

        ox.done("start")

        after = ox.rows()["a"]
        assert (after["pid"], after["restarts"]) == (before["pid"], 0)
        assert after["started_at"][:-10] == before["started_at"][:-10], "to the second"
        assert "adopted" in [each["reason"] for each in ox.events() if each["name"] == "a"]
        ox.done("restart", "a")
        assert ox.pid("a") != before["pid"]
        ox.done("stop", "a")
    lines = [int(line) for line in (ox.folder / "a.log").read_text().splitlines()]
    second = lines.index(0, 1)
    assert second > left + 100
    assert lines == [*range(second), *range(len(lines) - second)]


def test_k12_one_that_stood_still_restarts_nobody_and_answers_who_has_waited(ox: Ox):
    """Most of the time it is stopped while an answer is awaited, which comes meanwhile."""
    port, names = own_port(), ("web", "slow", "canary")
    ox.up(
        f'[processes.web]\ncommand = "{PYTHON} {FIXTURES}/handed.py 1"\n'
        f'listen = "127.0.0.1:{port}"\n'
        f'health_check = {{ endpoint = "http://127.0.0.1:{port}/", interval_secs = 0.1, '
        "timeout_secs = 2, unhealthy_threshold = 1 }\n"
        '[processes.slow]\ncommand = "sleep 3600"\n'
        'health_check = { command = "sleep 0.6", interval_secs = 0.1, timeout_secs = 2, '
        "unhealthy_threshold = 1 }\n",
    )
    before, supervisor = {name: ox.pid(name) for name in names}, ox.supervisor()
    with start(LoadSpec(f"127.0.0.1:{port}", concurrency=2, pause=0.01)) as load:
        load.wait_answers(5)
        for _ in range(2):
            supervisor.send_signal(signal.SIGSTOP)
            waiting = ox.foreground("status")
            time.sleep(2.5)  # longer than an answer may take
            supervisor.send_signal(signal.SIGCONT)
            assert waiting.ends() == 0, waiting.out + waiting.err
        load.wait_answers(5)
        assert load.stop().whole.failures == 0
    assert {name: ox.pid(name) for name in names} == before
    assert {ox.rows()[name]["restarts"] for name in names} == {0}
    assert "unwell" not in [each["kind"] for each in ox.events()]


SLOW_TO_END = """import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
open("up", "w").write("up")
signal.sigwait([signal.SIGTERM])
open("told", "w").write("told")
for _ in range(40):
    time.sleep(0.05)
open("ended", "w").write("in peace")
"""


def test_k12_what_is_frozen_with_its_apps_goes_on_as_it_was(ox: Ox):
    """A paused container, or machine: whoever is ending has the rest of its time afterwards."""
    ox.write(SLOW_TO_END, "slow.py")
    ox.up(f"[processes.slow]\ncommand = '{PYTHON} slow.py'\nstop_timeout_ms = 5000\n")
    ox.content("up")
    everybody = [ox.supervisor(), psutil.Process(ox.pid("slow"))]
    stopping = ox.foreground("stop", "slow")
    ox.content("told")

    for each in everybody:
        each.send_signal(signal.SIGSTOP)
    time.sleep(6.0)  # longer than all of its time
    for each in everybody:
        each.send_signal(signal.SIGCONT)

    assert stopping.ends() == 0
    assert ox.content("ended") == "in peace"


@needs_root
def test_k13_x04_with_little_memory_it_is_not_killed_whatever_clients_send(ox: Ox):
    ox.up(SLEEPER)
    supervisor = ox.supervisor()
    with cgroup("memory", f"ox-{ox.folder.name}", limit_in_bytes=MEMORY) as small:
        (small / "cgroup.procs").write_text(str(supervisor.pid))
        clients = [socket.socket(socket.AF_UNIX) for _ in range(300)]
        for number, client in enumerate(clients):
            client.settimeout(10)
            with suppress(OSError):
                client.connect(str(ox.runtime / "control.sock"))
                if number % 30 == 0:
                    client.sendall(HUGE + bytes(2 << 20))

        ox.eventually(ox.rows, "it to answer")
        for client in clients:
            client.close()
        assert ox.supervisor() == supervisor
        assert "oom_kill 0" in (small / "memory.oom_control").read_text()
        (small.parent / "cgroup.procs").write_text(str(supervisor.pid))

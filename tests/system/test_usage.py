"""What processes use, read from /proc."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from oxtrio.system import usage
from oxtrio.system.proc import children_of
from oxtrio.system.usage import Meter, Reading, proportional_memory, read, sample

MB = 1024 * 1024


def reading(
    ticks: int, *, waited: int = 0, parent: int = 1, started: int = 7, mb: int = 0
) -> Reading:
    return Reading(parent=parent, started=started, own=ticks, of_children=waited, resident=mb * MB)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[int, Reading]:
    """The processes that there are."""
    processes: dict[int, Reading] = {}
    monkeypatch.setattr(usage, "read", processes.get)
    monkeypatch.setattr(usage, "CLOCK_TICKS", 100)
    return processes


Machine = dict[int, Reading]


def test_memory_and_processes_are_those_of_the_whole_run(machine: Machine):
    machine.update({10: reading(0, mb=5), 11: reading(0, mb=7), 99: reading(0, mb=1000)})

    used = sample([10, 11, 12])

    assert (used.memory, used.processes) == (12 * MB, 2)


def test_cpu_time_is_the_sum_of_all(machine: Machine):
    machine.update({10: reading(150, waited=50), 11: reading(100, parent=10)})

    assert sample([10, 11]).cpu_seconds == 3.0


def test_cpu_time_of_a_child_that_was_waited_for_counts_once(machine: Machine):
    meter = Meter()
    machine.update({10: reading(100), 11: reading(200, parent=10)})
    assert meter.sample([10, 11]).cpu_seconds == 3.0

    del machine[11]
    machine[10] = reading(100, waited=250)  # the child used half a second more

    assert meter.sample([10]).cpu_seconds == 3.5


def test_cpu_time_of_a_child_that_nobody_in_the_run_waited_for_stays(machine: Machine):
    meter = Meter()
    machine.update({10: reading(100), 11: reading(200, parent=10)})
    meter.sample([10, 11])

    del machine[11]
    machine[10] = reading(150)

    assert meter.sample([10]).cpu_seconds == 3.5


def test_two_children_that_end_together_count_once_each(machine: Machine):
    meter = Meter()
    machine.update({10: reading(0), 11: reading(100, parent=10), 12: reading(200, parent=10)})
    meter.sample([10, 11, 12])

    del machine[11], machine[12]
    machine[10] = reading(0, waited=300)

    assert meter.sample([10]).cpu_seconds == 3.0


def test_a_pid_that_was_given_again_is_a_new_process(machine: Machine):
    meter = Meter()
    machine[10] = reading(100)
    meter.sample([10])

    machine[10] = reading(30, started=8)

    assert meter.sample([10]).cpu_seconds == pytest.approx(1.3)


def test_cpu_time_never_falls_when_everything_is_gone(machine: Machine):
    meter = Meter()
    machine[10] = reading(100)
    meter.sample([10])
    machine.clear()

    used = meter.sample([10])

    assert (used.cpu_seconds, used.memory, used.processes) == (1.0, 0, 0)


# The real /proc

Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def run(code: str) -> subprocess.Popen[bytes]:
        """Runs *code*, which prints a line when it is where it should be."""
        code += "\nprint(flush=True); input()"
        pipe = subprocess.PIPE
        process = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield run
    for process in started:
        process.communicate(b"\n")


@pytest.mark.slow
def test_the_memory_of_a_real_process_is_seen(start: Start):
    pid = start("b = bytearray(b'x') * (50 << 20)").pid

    assert 50 * MB < sample([pid]).memory < 200 * MB
    assert 50 * MB < proportional_memory([pid]) < 200 * MB


@pytest.mark.slow
def test_pages_that_forked_workers_share_count_once_in_pss(start: Start):
    process = start(
        "import os, signal\n"
        "b = bytearray(b'x') * (60 << 20)\n"
        "for _ in range(3):\n"
        "    if not os.fork():\n"
        "        signal.pause()"
    )
    kids = children_of(process.pid)
    pids = [process.pid, *kids]

    try:
        assert len(kids) == 3
        assert sample(pids).memory > 240 * MB
        assert proportional_memory(pids) < 120 * MB
    finally:
        for kid in kids:
            os.kill(kid, signal.SIGKILL)


@pytest.mark.slow
def test_the_cpu_time_of_a_real_process_is_seen(start: Start):
    code = "import time\nwhile time.process_time() < 0.2: pass"

    assert sample([start(code).pid]).cpu_seconds >= 0.15


def test_a_process_that_is_gone_counts_as_not_there():
    process = subprocess.Popen(["true"])
    process.wait()

    assert read(process.pid) is None
    assert proportional_memory([process.pid]) == 0

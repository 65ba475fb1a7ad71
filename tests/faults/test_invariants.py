"""A check that cannot fail proves nothing."""

import socket
from contextlib import ExitStack, closing

import pytest

from tests.e2e.kit import PYTHON, Ox
from tests.faults.invariants import descriptors, never_two, settled_descriptors, who_lives

pytestmark = pytest.mark.slow


def test_an_overlap_that_was_asked_for_is_seen(ox: Ox):
    ox.write(
        "import signal\nsignal.signal(15, lambda *_: None)\nprint('up', flush=True)\n"
        "while True: signal.pause()\n",
        "two.py",
    )
    ox.up(
        f'[processes.two]\ncommand = "{PYTHON} two.py"\nreload = "overlap"\ninstances = 2\n'
        'stop_timeout_ms = 500\nhealth_check = { log_line = "up" }\n'
    )

    with (
        pytest.raises(AssertionError, match="two at once: .*two:1"),
        never_two(ox, "two:1") as sampler,
    ):
        ox.done("reload", "two")
    assert len(sampler.seen["two:1"]) > 1


def test_a_restart_is_seen_as_one_after_the_other(ox: Ox):
    ox.up('[processes.a]\ncommand = "sleep 3600"\nstart_secs = 0\n')
    pids = {ox.pid("a")}

    with never_two(ox, "a") as sampler:
        ox.eventually(lambda: sampler.seen["a"] == pids, "the first")
        ox.done("restart", "a")
        pids.add(ox.pid("a"))
        ox.eventually(lambda: sampler.seen["a"] == pids, "the second")

    assert who_lives(ox, "a") == [ox.pid("a")]


def test_descriptors_that_stay_open_are_counted(ox: Ox):
    ox.up("")
    supervisor, path = ox.supervisor(), str(ox.runtime / "control.sock")
    before = settled_descriptors(supervisor)

    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(closing(socket.socket(socket.AF_UNIX))).connect(path)
        ox.eventually(lambda: descriptors(supervisor) > before + 5, "some more")
    ox.eventually(lambda: descriptors(supervisor) <= before, "none more")

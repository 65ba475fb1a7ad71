"""What one program hands on to the next in the same process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from oxtrio.system.handover import KEPT, Carrier, become, handed_over, page_of
from oxtrio.system.keeper_link import keeper_of

AFTER = """
import json, os, signal
from oxtrio.system.handover import handed_over
environ = dict(os.environ)
mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
print(json.dumps({
    "pid": os.getpid(), "text": handed_over(environ).decode(), "kept": os.read(KEPT, 10).decode(),
    "left": "OXTRIO_HANDOVER" in environ, "all blocked": signal.SIGTERM in mask,
    "pending": signal.SIGTERM in signal.sigpending(), "child": os.wait()[1],
}))
"""
BEFORE = """
import os, signal, sys
from oxtrio.system.handover import become
if not os.fork():
    os._exit(7)
reading, writing = os.pipe()
os.write(writing, b"kept")
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
os.kill(os.getpid(), signal.SIGTERM)
after = sys.argv[1].replace("KEPT", str(reading))
print(os.getpid(), flush=True)
become((sys.executable, "-c", after), os.environ, b"all that is known", [reading])
"""


def test_pid_children_pending_signals_and_descriptors_are_those_of_before():
    done = subprocess.run(
        [sys.executable, "-c", BEFORE, AFTER], capture_output=True, text=True, timeout=60
    )

    before, after = done.stdout.splitlines()
    assert json.loads(after) == {
        "pid": int(before),
        "text": "all that is known",
        "kept": "kept",
        "left": False,
        "all blocked": True,
        "pending": True,
        "child": 7 << 8,
    }, done.stderr


def test_where_it_fails_everything_is_as_it_was(pipe: tuple[int, int]):
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    open_before = os.listdir("/proc/self/fd")

    with pytest.raises(FileNotFoundError):
        become(("/no/such/program",), os.environ, b"text", pipe)

    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
    assert not any(map(os.get_inheritable, pipe))
    assert len(os.listdir("/proc/self/fd")) == len(open_before)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_a_text_is_read_once():
    environ = {"OXTRIO_HANDOVER": str(page_of(b"x" * 100_000)), "OTHER": "stays"}

    assert handed_over(environ) == b"x" * 100_000
    assert environ == {"OTHER": "stays"}
    assert handed_over(environ) is None


@pytest.mark.parametrize("number", ["", "x", "-1", "99999"])
def test_what_names_nothing_hands_over_nothing(number: str):
    assert handed_over({"OXTRIO_HANDOVER": number}) is None


def test_what_is_kept_and_what_was_left_go_on(pipe: tuple[int, int]):
    taken, waits = os.dup(pipe[0]), os.dup(pipe[1])
    carrier = Carrier({"run/1/out": taken, "run/2/out": waits})
    carrier.keep("run/3/out", pipe[0])

    assert carrier.take("run/1/out") == taken
    assert carrier.take("run/1/out") is None
    assert carrier.left() == ("run/2/out",)
    assert carrier.hand_on() == {
        f"{KEPT}run/1/out": taken,
        f"{KEPT}run/2/out": waits,
        f"{KEPT}run/3/out": pipe[0],
    }

    carrier.drop("run/2/out")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(waits)
    carrier.drop("run/1/out")
    carrier.drop("run/3/out")
    assert carrier.hand_on() == {}
    os.close(taken)


def test_what_was_handed_on_is_inherited_by_nobody_else(pipe: tuple[int, int]):
    copy = os.dup(pipe[0])
    os.set_inheritable(copy, True)

    keeper = keeper_of({f"{KEPT}a": copy, "control": pipe[1]})

    assert keeper.left() == ("a",)
    assert not os.get_inheritable(copy)
    keeper.drop("a")

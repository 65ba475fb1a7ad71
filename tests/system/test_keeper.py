"""The keeper, as the program that it is, with a supervisor that does what the test tells it."""

import contextlib
import itertools
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oxtrio import keeper
from oxtrio.project.launch import KEEPER

pytestmark = pytest.mark.slow

DEADLINE = 30.0
KEPT = Path(__file__).parents[1] / "fixtures" / "kept.py"
WITH = "import sys; sys.path.insert(0, {root!r}); import keeper; {change}; sys.exit(keeper.main())"
"""The keeper with another constant."""


class Supervisor:
    """One supervisor that the keeper has started."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(DEADLINE)
        self._told = connection.makefile("rw")
        self.found: dict[str, Any] = json.loads(self._told.readline())
        self.pid: int = self.found["pid"]
        self.before: list[str] = []

    def ask(self, command: str) -> Any:
        """Its answer to *command*."""
        self.tell(command)
        return json.loads(self._told.readline())

    def tell(self, command: str) -> None:
        self._told.write(command + "\n")
        self._told.flush()

    def greet(self) -> list[list[str | None]]:
        """Everything that the keeper has; how the supervisor before has ended is in `before`."""
        self.ask("say here")
        heard = list(iter(lambda: self.ask("hear"), ["done", None]))
        self.before = [text for text, _ in heard if text and text.startswith("before ")]
        return [each for each in heard if each[0] not in self.before]

    def be_ready(self) -> "Supervisor":
        self.greet()
        self.ask("say ready")
        self.settle()
        return self

    def settle(self) -> None:
        """Return when the keeper has heard all that was said."""
        self.ask("say ping 7")
        while self.ask("hear") != ["pong 7", None]:
            pass

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        self._told.close()


class Kept:
    """A keeper, and the supervisors that it starts."""

    def __init__(self, folder: Path, change: str, before: Callable[[], None] | None) -> None:
        self.folder = folder
        self.address = str(folder / "s")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen()
        self._listener.settimeout(DEADLINE)
        self.lock = folder / "lock"
        self._supervisors: list[Supervisor] = []
        lock = os.open(self.lock, os.O_RDWR | os.O_CREAT)
        self.answer, writing = os.pipe()
        code = WITH.format(root=str(Path(KEEPER).parent), change=change)
        program = ["-c", code] if change else [KEEPER]
        words = [str(lock), str(writing), sys.executable, str(KEPT), self.address]
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", *program, *words],
                stderr=log,
                pass_fds=(lock, writing),
                start_new_session=True,
                preexec_fn=before,
            )
        os.close(lock)
        os.close(writing)

    def next(self) -> Supervisor:
        """Wait for the next supervisor."""
        connection, _ = self._listener.accept()
        with connection:
            self._supervisors.append(Supervisor(connection))
        return self._supervisors[-1]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ends(self) -> int:
        return self.process.wait(DEADLINE)

    def says(self, text: str) -> None:
        """Wait until *text* is in its log."""
        eventually(lambda: text in self.log.read_text())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for each in self._supervisors:
            each.close()
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)
        self._listener.close()
        os.close(self.answer)


def eventually(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


Make = Callable[..., Kept]


@pytest.fixture
def kept() -> Iterator[Make]:
    """Starts keepers; none of what they have started is left."""
    with contextlib.ExitStack() as stack:

        def make(change: str = "", before: Callable[[], None] | None = None) -> Kept:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ox-", dir="/tmp"))
            made = Kept(Path(folder), change, before)
            stack.callback(made.close)
            return made

        yield make


def test_the_delay_doubles_from_the_second_failure_in_a_row_to_half_a_minute():
    delays = [keeper.delay(number) for number in range(1, 14)]

    assert delays[:5] == [0, 0.1, 0.2, 0.4, 0.8]
    assert all(one <= other for one, other in itertools.pairwise(delays))
    assert delays[-1] == keeper.delay(1_000_000) == 30
    assert keeper.delay(keeper.FEW + 1) < 0.5, "its start takes as long again"


def test_it_says_who_it_is_and_is_the_parent(kept: Make):
    here = kept()

    first = here.next()

    status = Path(f"/proc/{here.process.pid}/status").read_text()
    assert status.startswith("Name:\toxtrio-keeper\n")
    assert int(here.lock.read_text()) == here.process.pid
    assert int(first.found["PPid"]) == here.process.pid


def test_a_supervisor_that_dies_by_force_is_followed_by_another(kept: Make):
    here = kept()
    first = here.next().be_ready()

    first.kill()

    second = here.next()
    assert second.pid != first.pid
    assert int(second.found["PPid"]) == here.process.pid
    here.says("signal 9")


def test_each_is_told_how_the_one_before_has_ended(kept: Make):
    here = kept()
    first = here.next().be_ready()
    assert first.before == []
    first.kill()

    second = here.next()
    second.greet()

    assert second.before == [f"before {first.pid} 9"]


def test_only_the_first_supervisor_answers_who_has_started_it(kept: Make):
    here = kept()
    first = here.next().be_ready()
    [number] = first.found["ready"]
    assert int(number) in first.found["descriptors"]
    first.ask(f"answer {number} ready")
    first.kill()

    second = here.next()

    assert second.found["ready"] == []
    assert os.read(here.answer, 100) == b"ready"
    assert os.read(here.answer, 100) == b"", "nobody else can say something there"


def test_after_bye_it_ends_as_the_supervisor_did(kept: Make):
    here = kept()
    only = here.next().be_ready()
    only.ask("say bye")

    only.tell("exit 3")

    assert here.ends() == 3


def test_a_supervisor_that_is_killed_after_bye_is_not_started_again(kept: Make):
    here = kept()
    only = here.next().be_ready()
    only.ask("say bye")

    only.kill()

    assert here.ends() == 128 + 9


@pytest.mark.parametrize("way", ["exit 2", "kill"])
def test_one_that_never_was_ready_is_not_started_again(kept: Make, way: str):
    here = kept()
    only = here.next()
    only.greet()

    if way == "kill":
        only.kill()
    else:
        only.tell(way)

    assert here.ends() == (137 if way == "kill" else 2)
    assert os.read(here.answer, 100) == b""


def test_once_one_was_ready_all_that_fail_are_followed(kept: Make):
    here = kept("keeper.FIRST = 0.001")
    here.next().be_ready().kill()
    for _ in range(5):
        here.next().tell("exit 2")

    assert here.next().greet() == []
    here.says("exit code 2")


def test_a_program_that_is_not_there_is_said(kept: Make):
    here = kept("sys.argv[3] = '/no/such/program'")

    assert here.ends() == 127
    here.says("No such file")


def test_what_is_kept_outlives_the_supervisor_and_what_is_dropped_does_not(kept: Make):
    here = kept()
    first = here.next().be_ready()
    first.ask("keep run/1/out first")
    first.ask("keep run/2/out dropped")
    first.ask("keep run/3/out older")
    first.ask("keep run/3/out newer")
    first.ask("say drop run/2/out")
    first.ask("say drop never-kept")
    first.ask("say keep without-descriptor")
    first.kill()

    second = here.next()

    assert second.greet() == [["have run/1/out", "first"], ["have run/3/out", "newer"]]
    second.be_ready().kill()
    assert [name for name, _ in here.next().greet()] == ["have run/1/out", "have run/3/out"]
    pipes = [name for name in descriptors_of(here.process.pid) if name.startswith("pipe:")]
    assert len(set(pipes)) == 3, "those kept, and that of its own signals"


def test_last_words_before_a_crash_are_heard(kept: Make):
    here = kept()
    first = here.next().be_ready()
    here.signal(signal.SIGSTOP)
    first.ask("keep late x")
    first.kill()
    here.signal(signal.SIGCONT)

    assert here.next().greet() == [["have late", "x"]]


def test_a_supervisor_inherits_nothing_that_is_kept(kept: Make):
    here = kept()
    first = here.next().be_ready()
    before = first.found["descriptors"]
    for number in range(5):
        first.ask(f"keep {number} x")
    first.kill()

    # Without the one for the answer.
    assert len(here.next().found["descriptors"]) == len(before) - 1


def test_exits_of_orphans_are_told_as_they_happen_and_remembered_until_one_is_ready(kept: Make):
    here = kept()
    first = here.next().be_ready()
    told = first.ask("orphan 3")
    assert first.ask("hear") == [f"exit {told} {3 << 8}", None]
    wait = Path(here.address + ".wait")
    wait.touch()
    left = first.ask("orphan 4")
    first.kill()
    second = here.next()
    os.kill(left, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{left}").exists())

    both = [[f"exit {told} {3 << 8}", None], [f"exit {left} 9", None]]
    assert second.greet() == both
    second.kill()
    third = here.next()
    assert third.greet() == both, "the second did not say that it has taken over"
    third.be_ready().kill()

    assert here.next().greet() == []


def test_no_more_exits_are_remembered_than_is_good(kept: Make):
    here = kept("keeper.EXITS = 3")
    first = here.next().be_ready()
    pids = [first.ask(f"orphan {number}") for number in range(5)]
    for _ in pids:
        first.ask("hear")
    first.kill()

    exits = [text.split() for text, _ in here.next().greet() if text]

    assert len(exits) == 3
    assert {int(pid) for _, pid, _ in exits} < set(pids)


def test_no_zombie_stays(kept: Make):
    here = kept()
    first = here.next()
    pid = first.ask("orphan 0")

    eventually(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGUSR1, signal.SIGRTMIN]
)
def test_it_survives_what_is_not_for_it_and_tells_nobody(kept: Make, number: int):
    here = kept()
    only = here.next().be_ready()

    here.signal(number)

    only.settle()
    assert only.ask("noted") == []
    assert here.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_what_is_meant_for_the_supervisor_is_passed_on_once_it_can_hear_it(kept: Make, number: int):
    here = kept()
    only = here.next()
    here.signal(number)
    only.ask("say hm")  # something that means nothing
    assert only.ask("noted") == []

    only.be_ready()

    eventually(lambda: only.ask("noted") == [signal.Signals(number).name])
    here.signal(number)
    eventually(lambda: only.ask("noted") == [signal.Signals(number).name] * 2)


def test_one_that_dies_of_its_stop_is_followed_by_one_that_is_told_again(kept: Make):
    here = kept()
    first = here.next().be_ready()
    here.signal(signal.SIGTERM)
    eventually(lambda: first.ask("noted") == ["SIGTERM"])
    first.kill()

    second = here.next().be_ready()

    eventually(lambda: second.ask("noted") == ["SIGTERM"])
    second.kill()
    here.next().tell("exit 5")
    assert here.ends() == 5, "one that cannot even start stops nothing"


@pytest.mark.parametrize("number", [signal.SIGCONT, signal.SIGTERM])
def test_a_start_that_is_waited_for_can_be_hurried(kept: Make, number: int):
    here = kept("keeper.FIRST = keeper.LONGEST = 3600")
    here.next().be_ready().kill()
    here.next().be_ready().kill()
    here.says("in 3600 s")

    here.signal(number)

    third = here.next().be_ready()
    wanted = ["SIGTERM"] if number == signal.SIGTERM else []
    eventually(lambda: third.ask("noted") == wanted)


def test_after_one_that_was_ready_the_next_is_never_waited_for_long(kept: Make):
    here = kept("keeper.FEW = 1; keeper.FIRST = 0.01; keeper.LONGEST = 7200")
    for _ in range(15):
        here.next().be_ready().kill()
    here.next().be_ready()

    said = [line.rsplit(" ", 2)[-2:] for line in here.log.read_text().splitlines()]
    assert said == [["again", "now"], *[["0.01", "s"]] * 14]


def test_ends_before_one_was_ready_are_waited_for_longer_and_longer(kept: Make):
    here = kept("keeper.FEW = 1; keeper.FIRST = 0.01")
    for _ in range(4):
        here.next().be_ready().kill()
    for _ in range(3):
        here.next().kill()
    here.next().be_ready().kill()

    here.next()

    waits = [line.split()[-2] for line in here.log.read_text().splitlines()]
    assert waits == ["again", "0.01", "0.01", "0.01", "0.02", "0.04", "0.08", "0.01"]


def test_a_supervisor_that_was_stable_is_started_at_once(kept: Make):
    here = kept("keeper.FIRST = keeper.LONGEST = 3600; keeper.STABLE = 0")

    for _ in range(3):
        here.next().be_ready().kill()

    here.next()


def test_the_supervisor_finds_signals_and_limits_as_they_were(kept: Make):
    soft, hard = 300, resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def before() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGTERM, signal.SIGCHLD])

    here = kept(before=before)

    first = here.next().be_ready()
    first.kill()

    for found in (first.found, here.next().found):
        assert found["nofile"] == [soft, hard]
        assert int(found["SigBlk"], 16) == bits(signal.SIGTERM, signal.SIGCHLD)
        # Python itself ignores the other two, and catches SIGINT.
        ignored = int(found["SigIgn"], 16) & ~(0b11 << 31)
        assert ignored == bits(signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ)
        assert int(found["SigCgt"], 16) == bits(signal.SIGINT)
    own = resource.prlimit(here.process.pid, resource.RLIMIT_NOFILE)
    assert own == (hard, hard)


def bits(*numbers: int) -> int:
    return sum(1 << (number - 1) for number in numbers)


def test_a_supervisor_without_a_link_is_still_watched(kept: Make):
    here = kept()
    first = here.next().be_ready()
    first.ask("keep a x")
    first.ask("unlink")
    first.kill()

    assert here.next().greet() == [["have a", "x"]]


def test_more_than_fits_into_the_socket_is_told_in_the_end(kept: Make):
    here = kept()
    first = here.next().be_ready()
    for number in range(1500):
        first.ask(f"keep {number} {number}")
    first.settle()
    first.kill()

    heard = here.next().greet()

    assert heard == [[f"have {number}", str(number)] for number in range(1500)]


def descriptors_of(pid: int) -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    return [os.readlink(each) for each in folder.iterdir()]

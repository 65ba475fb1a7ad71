"""K01, K03: a supervisor that is killed again and again, at any moment, while all are at work.

OXTRIO_KILLS=300 makes it that many times; what it found is printed (pytest -s).
"""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException

import psutil
import pytest

from benchmarks.load import LoadSpec, start
from tests.e2e.kit import CANARY, FIXTURES, PYTHON, Ox
from tests.e2e.processes import DEADLINE
from tests.e2e.site import own_port
from tests.e2e.stack import lives
from tests.faults.invariants import descriptors, never_two
from tests.faults.parts import parts

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("OXTRIO_KILLS", "15"))
SOON = 0.5
"""Seconds from when it is ready, in which it is killed."""
TIRELESS = f"exec {PYTHON} {FIXTURES}/tireless.py"
CRASH = """n=$(($(cat crash.n) + 1))
echo $n > crash.n
echo begun $n
sleep 0.2
echo words $n
exit 3
"""
ONCE = """n=$(cat once.n)
echo $n >> once.runs
read line < go
echo words $n
exit $((n % 100 + 10))
"""
OXFILE = f"""
[processes.lines]
command = "{TIRELESS} lines"
start_secs = 0
log_file = "lines.log"
logs = {{ max_size_mb = 1, max_files = 100000 }}

[processes.bits]
command = "{TIRELESS} bits bits"
start_secs = 0
log_file = "bits.log"
error_log_file = "bits.err"

[processes.web]
command = "{PYTHON} {FIXTURES}/handed.py 1"
listen = "127.0.0.1:%d"
instances = 2

[processes.crash]
command = "exec sh crash.sh"
start_secs = 0
restart_delay_ms = 100
restart_delay_max_ms = 200
max_restarts = 0

[processes.once]
command = "exec sh once.sh"
restart_on_exit = false
enabled = false

[processes.off]
command = "sleep 3600"
"""
STEADY = ("lines", "bits", "web:0", "web:1", "canary")
"""Nothing that happens to the supervisor is a reason to touch these."""


class Killer:
    """Kills the supervisor of a project, and waits for the next one."""

    def __init__(self, ox: Ox) -> None:
        self.ox, self.chance = ox, random.Random()
        self.kills = self.early = self.both = 0
        self.unheard: set[int] = set()
        """Runs of `crash` whose output nobody may have had when all who hold it were dead."""
        self.keeper, self.last = ox.keeper(), ox.supervisor()

    def kill(self, meanwhile: Callable[[], None], *, both: bool) -> None:
        """The one that serves; with *both* its keeper too, so that an operator must start it."""
        self.last = self.ox.supervisor()
        doomed = [self.keeper, self.last] if both else [self.last]
        self.chance.shuffle(doomed)
        for each in doomed:
            each.send_signal(signal.SIGKILL)
        meanwhile()
        self.kills += 1
        if both:
            self.both += 1
            self.ox.eventually(lambda: not any(map(lives, doomed)), "both to be dead")
            self.unheard.add(int(self.ox.content("crash.n")))
            self.ox.done("start", "canary")
            self.unheard.add(int(self.ox.content("crash.n")))
            self.keeper = self.ox.keeper()

    def kill_early(self) -> None:
        """The one that is coming up after that, wherever it stands."""
        found = self.ox.eventually(self._coming, "the keeper to start another one")
        time.sleep(self.chance.uniform(0, SOON))
        found.send_signal(signal.SIGKILL)
        self.ox.eventually(lambda: not lives(found), "it to be dead")
        self.kills += 1
        self.early += 1

    def wait_ready(self) -> None:
        """Return when another one serves."""
        self.ox.eventually(self._is_followed, "the next supervisor")

    def _hurry(self) -> None:
        """As `oxtrio start` does: after several ends before it was ready it takes its time."""
        with suppress(psutil.NoSuchProcess):
            self.keeper.send_signal(signal.SIGCONT)

    def _coming(self) -> psutil.Process | None:
        self._hurry()
        for child in self.keeper.children():
            with suppress(psutil.NoSuchProcess):
                line = " ".join(child.cmdline())
                if child != self.last and ("--supervise" in line or "keeper.py" in line):
                    return child
        return None

    def _is_followed(self) -> bool:
        self._hurry()
        with suppress(OSError, HTTPException, ValueError):
            return self.ox.supervisor() != self.last
        return False


class Once:
    """The one-shot, which ends with a code of its own each time."""

    def __init__(self, ox: Ox) -> None:
        self.ox, self.number = ox, 0
        self.unheard: set[int] = set()
        """Those that ended when nobody lived who holds their output."""
        os.mkfifo(ox.folder / "go")

    def begin(self) -> None:
        self.number += 1
        self.ox.write(f"{self.number}\n", "once.n")
        self.ox.done("restart", "once", "--no-wait")
        self.ox.content("once.runs", lambda text: text.endswith(f"{self.number}\n"))

    def end(self) -> None:
        """It ends now, whoever is there to see it."""
        (self.ox.folder / "go").write_text("go\n")

    def check(self, *, told: bool) -> None:
        """Its end is known, and it was not begun again; *told*: somebody has seen how it ended."""
        runs = [str(number) for number in range(1, self.number + 1)]

        def is_over() -> bool:
            assert (self.ox.folder / "once.runs").read_text().split() == runs, "begun again"
            return self.ox.rows().get("once", {}).get("status") == "crashed"

        self.ox.eventually(is_over, "its end to be known")
        row = self.ox.rows()["once"]
        code = row["exit"]["code"]
        assert code == self.number % 100 + 10 or (code is None and not told), row
        if not told:
            self.unheard.add(self.number)


def test_k01_k03_killed_at_any_moment_under_load_nobody_notices_and_nothing_is_lost(ox: Ox):
    port = own_port()
    ox.write(CRASH, "crash.sh")
    ox.write(ONCE, "once.sh")
    ox.write("0\n", "crash.n")
    ox.write((OXFILE % port) + CANARY)
    ox.done("start")
    ox.done("stop", "off")
    before = {name: ox.pid(name) for name in STEADY}
    killer, once = Killer(ox), Once(ox)
    kept = descriptors(killer.keeper)
    spec = LoadSpec(f"127.0.0.1:{port}", concurrency=4, pause=0.005, patience=DEADLINE)
    names = (*STEADY, "crash", "once")

    with never_two(ox, *names) as sampler, start(spec) as load:
        load.wait_answers(20)
        while killer.kills < KILLS:
            go_on(killer, once)
        load.wait_answers(20)
        whole = load.stop().whole

    for name in STEADY:  # to find what it holds takes one that has just come up a moment
        ox.becomes(name, "running")
    rows = ox.rows()
    print(
        f"\n{killer.kills} kills ({killer.early} before ready, {killer.both} with the keeper), "
        f"{whole.ok} requests, {once.number} one-shots, {rows['crash']['restarts']} crashes, "
        f"{sampler.looks} looks, keeper has {descriptors(killer.keeper)} descriptors of {kept}"
    )
    assert whole.failures == 0, whole
    assert {name: rows[name]["pid"] for name in STEADY} == before
    assert {rows[name]["restarts"] for name in STEADY} == {0}
    assert rows["off"]["status"] == "stopped"
    check_crashes(ox, killer.unheard)
    check_lines(ox)
    check_words(ox, once)
    ox.done("stop")
    assert ox.ours() == []


def go_on(killer: Killer, once: Once) -> None:
    """A kill, at times followed by others before anybody is ready."""
    chance = killer.chance
    ends = chance.choice(["not", "not", "before", "in the gap"])
    both = chance.random() < 0.2
    if ends != "not":
        once.begin()
    time.sleep(chance.uniform(0, SOON))
    if ends == "before":
        once.end()
        time.sleep(chance.uniform(0, 0.1))
    killer.kill(once.end if ends == "in the gap" else lambda: None, both=both)
    while not both and chance.random() < 0.3:
        killer.kill_early()
    killer.wait_ready()
    if ends != "not":
        once.check(told=ends == "before" or not both)


def check_crashes(ox: Ox, unheard: set[int]) -> None:
    """Each run was counted, none began twice, and each has its last words and its code."""

    def is_up() -> int | None:
        number, row = ox.content("crash.n"), ox.rows()["crash"]
        known = row["pid"] is not None and row["exit"]["code"] == 3
        return int(number) - row["restarts"] if known and number == ox.content("crash.n") else None

    assert ox.eventually(is_up, "a run of it after another one") == 1
    ox.done("stop", "crash")
    number = int((ox.folder / "crash.n").read_text())
    lines = (ox.state / "logs" / "crash.log").read_text().splitlines()
    said = [line for line in lines if int(line.split()[1]) not in unheard]
    heard = [each for each in range(1, number + 1) if each not in unheard]
    both = [f"{word} {each}" for each in heard for word in ("begun", "words")]
    assert said in (both, both[:-1]), compared(said, both)
    assert len(lines) == len({*lines}), "none is there twice"


def check_lines(ox: Ox) -> None:
    """Each line of each stream is there once, whole, and in order."""
    (ox.folder / "enough").touch()
    for name, log in (("lines", "lines.log"), ("bits", "bits.log"), ("bits", "bits.err")):
        count = int(ox.content(f"{name}.count", lambda text: text.endswith("\n")))
        last = line_of(count - 1)
        path = ox.folder / log
        ox.eventually(lambda path=path, last=last: path.read_bytes().endswith(last), "all lines")
        found = parts(ox.folder, log)
        print(f"{log}: {count} lines in {len(found)} files")
        number = 0
        for each in found:
            with each.open("rb") as lines:
                for line in lines:
                    assert line == line_of(number), f"{each} has {line!r} at line {number}"
                    number += 1
        assert number == count


def line_of(number: int) -> bytes:
    return b"%d %s\n" % (number, b"x" * (number * 7919 % 90))


def check_words(ox: Ox, once: Once) -> None:
    """The last words of each one-shot are there once."""
    said = (ox.state / "logs" / "once.log").read_text().splitlines()
    numbers = [each for each in range(1, once.number + 1) if f"words {each}" in said]
    assert said == [f"words {number}" for number in numbers]
    assert {*range(1, once.number + 1)} - {*numbers} <= once.unheard


def compared(said: list[str], right: list[str]) -> str:
    at = next((at for at, pair in enumerate(zip(said, right, strict=False)) if len({*pair}) > 1), 0)
    return f"{said[max(0, at - 3) : at + 3]} instead of {right[max(0, at - 3) : at + 3]}"

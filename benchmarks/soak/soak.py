"""One soak from its start to its end: the stack comes up, bears everything, and goes."""

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.failure import Failed
from benchmarks.load import Load
from benchmarks.outcome import Record
from benchmarks.rounds import progress
from benchmarks.soak.disk import Disk
from benchmarks.soak.havoc import Havoc
from benchmarks.soak.plan import AGAINST_ITSELF, plan
from benchmarks.soak.population import KEEPER, Key, Population, Process
from benchmarks.soak.service import Service
from benchmarks.soak.stack import CANARY, CLIENTS, INSTANCES, ONE_SHOT, OVERLAPPING, Stack
from benchmarks.soak.witness import Complaints, Witness
from tests.fixtures.jump import Jump

SPARED = 0.6
"""The part after which the supervisor itself is left alone, so that one can see how it grows."""
CALMS = (SPARED, (1 + SPARED) / 2)
"""The parts after which it is measured, beside the start and the end."""
EVERY = 0.05
LOOK_EVERY = 1.0
SERVES_AGAIN = 30.0
"""Seconds after which somebody should serve, whatever happened."""
CALM = 60.0
"""Seconds in which all is up when nothing happens any more."""
REST = 3.0
"""Seconds of calm before the supervisor is measured."""
NOBODY_LEFT = 10.0
LOST = frozenset({"reset", "closed", "truncated"})
"""What becomes of a request when the process that has it ends."""
GROWTH = 32.0
"""MiB that the supervisor may grow by in the time in which it is left alone."""
DESCRIPTORS = 24
"""How many more it may have then: a client that has just gone, a file that is being written, and
a socket for each that ever served an address at a time, which stays as long as the address."""


@dataclass(frozen=True, slots=True)
class Size:
    """The supervisor in a moment of calm; *events*: how many there had been."""

    pid: int
    descriptors: int
    keepers: int
    """Descriptors of the keeper; 0 where there is none."""
    mebibytes: float
    events: int


@dataclass(frozen=True, slots=True)
class Requests:
    """What became of those to one server. *exposed*: while nobody held its address."""

    answered: int
    failed: Counter[str]
    exposed: Counter[str]
    longest: float

    @property
    def failures(self) -> int:
        return self.failed.total()


@dataclass(slots=True)
class Found:
    """What is reported."""

    seconds: float = 0.0
    sizes: list[Size] = field(default_factory=list)
    back: list[float] = field(default_factory=list)
    """Seconds until somebody served again, after each crash."""
    requests: dict[str, Requests] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


class Soak:
    """Everything is in *folder*."""

    def __init__(self, folder: Path, disk: Disk | None, jump: Jump | None) -> None:
        self.found = Found()
        self.complaints = Complaints()
        self.stack = Stack(folder, disk)
        self.population = Population(OVERLAPPING, self.complaints.wrong)
        environ = jump.environ if jump else {}
        self.service = Service(folder, self.population, environ, self.complaints.wrong)
        self.havoc = Havoc(self.stack, self.service, self.population, disk)
        self.havoc.jump = jump
        self.witness = Witness(
            self.stack, self.service.home, self.complaints, self.havoc.unheld.has
        )
        self._looked = self._answered = 0.0
        self._canary: Key | None = None

    def run(self, seconds: float, seed: int) -> None:
        """Raises `Failed` where it cannot even begin."""
        with self.population.watched():
            if self.service.run("start", *self._apps()):
                raise Failed(f"the stack does not start: {self.service.reasons}")
            self._canary = self._find_canary()
            with ExitStack() as stack:
                specs = self.stack.loads()
                loads = {
                    name: stack.enter_context(self.population.load(spec))
                    for name, spec in specs.items()
                }
                self._soak(seconds, seed)
                self._stop_loads(loads)
            self._end()

    def _apps(self) -> list[str]:
        return ["web", "local", "slow", "flood", "crash", "deaf", "daemon", CANARY] + [
            *self.stack.on_disk
        ]

    def _soak(self, seconds: float, seed: int) -> None:
        self._settle()
        self.complaints.began = began = time.monotonic()
        calms = [part * seconds for part in CALMS]
        for act in plan(seed):
            at = time.monotonic() - began
            if at >= seconds:
                break
            if calms and at >= calms[0]:
                calms.pop(0)
                self._settle()
            if at >= SPARED * seconds and act.kind in AGAINST_ITSELF:
                continue
            said = self.havoc.carry_out(act)
            self.complaints.act(f"{act.kind.value}: {said or 'not possible'}")
            progress(f"{at:.0f} s of {seconds:g}: {act.kind.value}: {said}")
            self._rest(act.pause)
        self._settle()
        self.found.seconds = time.monotonic() - began
        progress("")

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            self.havoc.go_on()
            self.service.look()
            self._look_for_service()
            if time.monotonic() >= self._looked + LOOK_EVERY:
                self.witness.look()
                self._looked = time.monotonic()
            if time.monotonic() >= until:
                return
            time.sleep(EVERY)

    def _look_for_service(self) -> None:
        now = time.monotonic()
        if self.havoc.crashed_at is None and now < self._answered + LOOK_EVERY:
            return
        if self.service.pid() is not None:
            self._answered = now
            if self.havoc.crashed_at is not None:
                self.found.back.append(self.havoc.came_back())
        elif now > self._answered + SERVES_AGAIN:
            self.complaints.wrong(f"nobody has answered for {SERVES_AGAIN:g} s")
            self._answered = now
            self.service.begin("start")

    def _settle(self) -> None:
        """Wait until all is as it was at the start, and measure the supervisor."""
        self.complaints.act("calm")
        self.havoc.calm_down()
        deadline = time.monotonic() + CALM
        self._rest(EVERY)
        while not self.havoc.is_over() and time.monotonic() < deadline:
            self._rest(EVERY)
        self.service.finish()
        for words in (("start", *self._apps()), ("scale", *self._scales())):
            if self.service.run(*words):
                self.complaints.wrong(f"`{' '.join(words)}` fails when nothing else happens")
        deadline = time.monotonic() + CALM
        while not self._is_up():
            if time.monotonic() > deadline:
                self.complaints.wrong(f"not all is up after {CALM:g} s: {self._states()}")
                break
            self._rest(0.2)
        self._rest(REST)
        self._measure()
        if self._find_canary() != self._canary:
            self.complaints.wrong("the canary was touched")

    def _find_canary(self) -> Key | None:
        found = self.population.run_of(CANARY, "0")
        return found[0].key if found else None

    def _scales(self) -> list[str]:
        return [f"{name}={number}" for name, number in INSTANCES.items()]

    def _is_up(self) -> bool:
        states = self._states()
        up = [state for name, state in states.items() if name not in ("crash", ONE_SHOT)]
        return bool(states) and set(up) == {"running"}

    def _states(self) -> dict[str, str]:
        return {name: row["status"] for name, row in self.service.rows().items()}

    def _measure(self) -> None:
        pid = self.service.pid()
        if pid is None:
            self.complaints.wrong("nobody serves in a moment of calm")
            return
        self.witness.look()
        keepers = self.population.of(KEEPER)
        status = Path(f"/proc/{pid}/status").read_text()
        size = Size(
            pid=pid,
            descriptors=_descriptors(pid),
            keepers=_descriptors(keepers[0].pid) if keepers else 0,
            mebibytes=int(status.partition("VmRSS:")[2].split()[0]) / 1024,
            events=self.witness.events,
        )
        self.found.sizes.append(size)

    def _stop_loads(self, loads: dict[str, Load]) -> None:
        for name, load in loads.items():
            record = load.stop()
            self.found.requests[name] = found = requests_of(record, self.havoc.exposed.all())
            most = CLIENTS * self.havoc.ends[name]
            if found.failures > most or not set(found.failed) <= LOST:
                self.complaints.wrong(
                    f"{name}: {found.failed} of {found.answered} requests failed, where {most} may "
                    f"have been under way: {record.first}"
                )

    def _end(self) -> None:
        """`oxtrio stop` leaves nothing."""
        self.complaints.act("stop")
        self.havoc.calm_down()
        if self.service.run("stop"):
            self.complaints.wrong("`oxtrio stop` fails at the end")
        deadline = time.monotonic() + NOBODY_LEFT
        while (left := self.population.strangers()) and time.monotonic() < deadline:
            time.sleep(EVERY)
        self.found.left = [_describe(each) for each in left]
        if left:
            self.complaints.wrong(f"left after `oxtrio stop`: {self.found.left}")
        self.witness.finish()
        self._check_growth()

    def _check_growth(self) -> None:
        if len(self.found.sizes) < len(CALMS) + 2:
            return  # nobody served then, which was told
        first, before, *_, last = self.found.sizes
        if before.pid != last.pid:
            self.complaints.wrong("the supervisor was left alone, and is another one")
        if last.descriptors > min(before.descriptors, first.descriptors) + DESCRIPTORS:
            self.complaints.wrong(f"descriptors: {before.descriptors}, then {last.descriptors}")
        if last.mebibytes > before.mebibytes + GROWTH:
            self.complaints.wrong(f"MiB: {before.mebibytes:.0f}, then {last.mebibytes:.0f}")


def requests_of(record: Record, exposed: list[tuple[float, float]]) -> Requests:
    """Those that failed in the times *exposed* are counted apart."""
    then: Counter[str] = Counter()
    for began, ended in exposed:
        then.update(record.between(began, ended).failed)
    whole = record.whole
    return Requests(whole.ok, Counter(whole.failed) - then, then, whole.longest)


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _describe(process: Process) -> str:
    command = Path(f"/proc/{process.pid}/cmdline")
    words = command.read_text().replace("\0", " ") if command.exists() else ""
    return f"{process.pid} {process.kind} {process.app} {words}"

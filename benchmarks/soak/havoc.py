"""What is done to the stack: each act of the plan, carried out."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from benchmarks.soak.disk import Disk
from benchmarks.soak.gaps import Gaps
from benchmarks.soak.hostile import Hostile
from benchmarks.soak.plan import Act, Kind
from benchmarks.soak.population import KEEPER, SUPERVISOR, Population, Process
from benchmarks.soak.service import Command, Service
from benchmarks.soak.stack import INSTANCES, ONE_SHOT, SERVERS, Stack
from benchmarks.soak.writer import Tally
from tests.fixtures.jump import Jump

HOUR = 3600
FLOOD = 4 << 20
OVERFLOW = 14 << 20
"""Bytes: more than waits in memory while a disk is full."""
RELOADED = (*SERVERS, "slow", "daemon")
RESTARTED = (*SERVERS, "slow", "flood", "deaf")
STOPPED = ("slow", "deaf", "daemon")


class Havoc:
    """Does one act after the other. *disk* and *jump* are None where that cannot be had."""

    def __init__(
        self, stack: Stack, service: Service, population: Population, disk: Disk | None
    ) -> None:
        self.done: Counter[Kind] = Counter()
        self.ends: Counter[str] = Counter()
        """How often servers were ended, each time with what they had under way."""
        self.jump: Jump | None = None
        self.crashed_at: float | None = None
        """When the supervisor was killed last, until `came_back` is called."""
        self.unheld = Gaps()
        """When nobody held the pipes of the apps."""
        self.exposed = Gaps()
        """When nobody held the addresses of all servers: until they are restarted."""
        self.disk = disk
        self._stack = stack
        self._service = service
        self._population = population
        self._hostile = Hostile()
        self._remedy: Command | None = None
        self._unread_since = 0.0
        """When the supervisor was killed that served last; 0.0: one serves."""
        self._later: list[tuple[float, Callable[[], object]]] = []

    def carry_out(self, act: Act) -> str:
        """What it was, in words; the empty string where it could not be done."""
        said = self._acts()[act.kind](act)
        self.done[act.kind] += bool(said)
        return said

    def go_on(self) -> None:
        """Do what is due of what was begun."""
        now = time.monotonic()
        due = [each for each in self._later if each[0] <= now]
        self._later = [each for each in self._later if each[0] > now]
        for _, do in due:
            do()
        if self._remedy is not None and self._remedy.process.returncode is not None:
            self._remedied(self._remedy.process.returncode)

    def calm_down(self) -> None:
        """Undo what can be undone, at once."""
        for _, do in self._later:
            do()
        self._later.clear()
        self._hostile.close()
        if self.disk:
            self.disk.empty()

    def came_back(self) -> float:
        """The supervisor answers again: how long it took."""
        assert self.crashed_at is not None
        took = time.monotonic() - self.crashed_at
        self.crashed_at = None
        self._unread_since = 0.0
        self.unheld.close()
        if self.exposed.began is not None and self._remedy is None:
            self._remedy = self._restart_servers()
        return took

    def is_over(self) -> bool:
        """Whether somebody serves, and all addresses are held."""
        return self.crashed_at is None and self.exposed.began is None

    def _restart_servers(self) -> Command:
        """What an operator does when keeper and supervisor were killed, so that all is held."""
        for name in SERVERS:
            self.ends[name] += 2 * INSTANCES.get(name, 1)  # it may be scaled up
        return self._service.begin("restart", *SERVERS)

    def _remedied(self, code: int) -> None:
        self._remedy = None
        if code == 0 and self.unheld.began is None:
            self.exposed.close()
        elif self.crashed_at is None:
            self._remedy = self._restart_servers()

    def _acts(self) -> dict[Kind, Callable[[Act], str]]:
        return {
            Kind.KILL_LEADER: self._kill_leader,
            Kind.KILL_RUN: self._kill_run,
            Kind.KILL_SUPERVISOR: lambda act: self._crash(SUPERVISOR),
            Kind.KILL_KEEPER: lambda act: self._kill(self._population.of(KEEPER)),
            Kind.KILL_BOTH: lambda act: self._crash(KEEPER, SUPERVISOR),
            Kind.RELOAD: lambda act: self._order("reload", act.choose(RELOADED)),
            Kind.RESTART: self._restart,
            Kind.SCALE: self._scale,
            Kind.STOP: self._stop,
            Kind.HANGUP: lambda act: self._signal(signal.SIGHUP),
            Kind.UPGRADE: self._upgrade,
            Kind.ONE_SHOT: lambda act: self._order("start", ONE_SHOT),
            Kind.FLOOD: lambda act: self._flood("flood", FLOOD),
            Kind.FULL_DISK: self._fill,
            Kind.CLOCK: self._move_clock,
            Kind.HOSTILE: self._attack,
            Kind.READ: self._read,
        }

    def _kill_leader(self, act: Act) -> str:
        name = act.choose(self._stack.victims)
        return self._kill_app(name, self._population.run_of(*_split(name))[:1])

    def _kill_run(self, act: Act) -> str:
        name = act.choose(self._stack.victims)
        return self._kill_app(name, self._population.run_of(*_split(name)))

    def _kill_app(self, name: str, whom: list[Process]) -> str:
        app = name.partition(":")[0]
        if app in SERVERS:
            self.ends[app] += len(whom)
        return f"{name}: {killed}" if (killed := self._kill(whom)) else ""

    def _crash(self, *kinds: str) -> str:
        """Whoever is there, or just coming up; then an operator does what one does."""
        doomed = [each for kind in kinds for each in self._population.of(kind)]
        is_kept = KEEPER not in kinds and bool(self._population.of(KEEPER))
        said = self._kill(doomed)
        if said:
            self.crashed_at = time.monotonic()
            self._unread_since = self._unread_since or self.crashed_at
        if said and not is_kept:
            self.unheld.open(self._unread_since)  # what waited in the pipes is lost, too
            self.exposed.open(self.crashed_at or 0.0)
        self._service.begin("start")
        return said

    def _kill(self, whom: list[Process]) -> str:
        return " ".join(filter(None, (_send(each, signal.SIGKILL) for each in whom)))

    def _signal(self, number: signal.Signals) -> str:
        found = self._population.of(SUPERVISOR)
        return _send(found[0], number) if found else ""

    def _order(self, *words: str) -> str:
        self._service.begin(*words)
        return " ".join(words)

    def _restart(self, act: Act) -> str:
        name = act.choose(RESTARTED)
        if name in SERVERS:
            self.ends[name] += 2 * INSTANCES.get(name, 1)  # it may be scaled up
        return self._order("restart", name)

    def _scale(self, act: Act) -> str:
        name = act.choose(tuple(INSTANCES))
        return self._order("scale", f"{name}={int(act.among(1, 4))}")

    def _stop(self, act: Act) -> str:
        name = act.choose(STOPPED)
        self._after(act.among(0.5, 3), lambda: self._service.begin("start", name))
        return self._order("stop", name)

    def _upgrade(self, act: Act) -> str:
        if act.chance < 0.25:
            return self._signal(signal.SIGUSR2)
        return self._order("upgrade")

    def _flood(self, app: str, size: int) -> str:
        Tally(self._stack.tallies / f"{app}:0" / "out").want(size)
        return f"{app} {size >> 20} MiB"

    def _fill(self, act: Act) -> str:
        if self.disk is None:
            return ""
        self.disk.fill()
        self._after(act.among(1, 4), self.disk.empty)
        return f"full, and {self._flood('drops', OVERFLOW if act.chance < 0.5 else FLOOD)}"

    def _move_clock(self, act: Act) -> str:
        if self.jump is None:
            return ""
        ahead = int(act.choose(("-1", "0", "1"))) * HOUR
        self.jump.to(ahead)
        return f"{ahead:+} s"

    def _attack(self, act: Act) -> str:
        self._hostile.attack(self._service.control(), act.chance)
        self._after(act.among(0.1, 3), self._hostile.close)
        return "attack"

    def _read(self, act: Act) -> str:
        commands = ("status", "logs -n 50", "logs flood", "events", "why web:0", "status --json")
        return self._order(*act.choose(commands).split())

    def _after(self, seconds: float, do: Callable[[], object]) -> None:
        self._later.append((time.monotonic() + seconds, do))


def _send(process: Process, number: signal.Signals) -> str:
    """Only to whom it was meant for, as far as that can be had."""
    with suppress(OSError):
        handle = os.pidfd_open(process.pid)
        try:
            signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)
        return f"{number.name} to {process.pid}"
    return ""


def _split(name: str) -> tuple[str, str]:
    app, _, instance = name.partition(":")
    return app, instance or "0"

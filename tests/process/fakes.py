"""Processes made of Trio events: their time is virtual, their signals are written down."""

import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import trio

from oxtrio.errors import SpawnFailed
from oxtrio.logs.store import LogStore
from oxtrio.model.exit import Exit
from oxtrio.model.spec import AppSpec
from oxtrio.model.state import Happening, State
from oxtrio.process.instance import Instance
from oxtrio.process.life import Life
from oxtrio.process.sockets import open_sockets
from oxtrio.process.surroundings import Surroundings
from oxtrio.system.containment import Kin
from oxtrio.system.descriptors import FileLimit
from oxtrio.system.fifo import Scratch
from oxtrio.system.proc import ProcessStat
from oxtrio.system.spawn import Launch

NOBODY = itertools.count(2**30)
"""Pids that no kernel gives to anybody."""


@dataclass(frozen=True)
class Script:
    """What a fake process does."""

    lasts: float = float("inf")
    code: int = 0
    deaf_to: Collection[int] = ()
    leaves: float = 0.0
    """Seconds that something it started stays after it, deaf to all but SIGKILL."""
    immortal: float = 0.0
    """Seconds that it survives even SIGKILL."""
    error: str = ""
    """It cannot be started at all."""


@dataclass(eq=False)
class FakeChild:
    script: Script
    launch: Launch
    nursery: trio.Nursery
    pid: int = field(default_factory=lambda: next(NOBODY))
    started: int = 1
    exit: Exit | None = None
    paused: bool = False
    on_pause: Callable[[bool], None] | None = None
    gone: trio.Event = field(default_factory=trio.Event)
    signals: list[tuple[float, int]] = field(default_factory=list)
    left: trio.Event = field(default_factory=trio.Event)
    """Nothing that it started is there any more."""
    spawned_at: float = field(default_factory=trio.current_time)

    @property
    def alive(self) -> bool:
        return self.exit is None

    def signal(self, number: int) -> bool:
        self.signals.append((trio.current_time() - self.spawned_at, number))
        if not self.alive:
            return False
        if self.script.immortal:
            if number == 9:
                self.nursery.start_soon(self._die_later, self.script.immortal, number)
        elif number not in self.script.deaf_to and number != 18:
            self.end(Exit(signal=number, sent_by_us=True))
        return True

    def signal_group(self, number: int) -> None:
        pass

    def close(self) -> None:
        pass

    def pause(self, paused: bool) -> None:
        self.paused = paused
        if self.on_pause is not None:
            self.on_pause(paused)

    def end(self, how: Exit) -> None:
        if self.alive:
            self.exit = how
            self.gone.set()
            if not self.script.leaves:
                self.left.set()
            self.nursery.start_soon(self._leave)

    async def live(self) -> None:
        await trio.sleep(self.script.lasts)
        self.end(Exit(code=self.script.code))

    async def _die_later(self, seconds: float, number: int) -> None:
        await trio.sleep(seconds)
        self.end(Exit(signal=number, sent_by_us=True))

    async def _leave(self) -> None:
        with trio.move_on_after(self.script.leaves):
            await self.left.wait()
        self.left.set()


class FakeChildren:
    """Each spawn follows the next script; the last one serves for all that follow."""

    def __init__(self, nursery: trio.Nursery, *scripts: Script) -> None:
        self.limit = FileLimit()
        self.spawned: list[FakeChild] = []
        self.attempts: list[float] = []
        self._scripts = list(scripts)
        self._nursery = nursery

    def spawn(self, launch: Launch) -> FakeChild:
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        self.attempts.append(trio.current_time())
        if script.error:
            raise SpawnFailed(script.error)
        child = FakeChild(script, launch, self._nursery)
        self.spawned.append(child)
        self._nursery.start_soon(child.live)
        return child


class FakeContainment:
    """Each run is its leader, and perhaps one process that it leaves behind."""

    def __init__(self) -> None:
        self.kills = 0

    def admit(self, run_id: str, leader: FakeChild) -> Kin:
        return Kin(run_id, leader)  # type: ignore[arg-type]

    def dismiss(self, kin: Kin) -> None:
        pass

    def is_empty(self, kin: Kin) -> bool:
        return not kin.leader.alive and _of(kin).left.is_set()

    async def wait_empty(self, kin: Kin) -> None:
        await kin.leader.gone.wait()
        await _of(kin).left.wait()

    def members(self, kin: Kin) -> list[ProcessStat]:
        if self.is_empty(kin):
            return []
        return [ProcessStat(kin.leader.pid, "fake", "S", 1, 1, 1, 1)]

    def tell_main(self, kin: Kin, number: int) -> None:
        kin.leader.signal(number)

    def tell_group(self, kin: Kin, number: int) -> None:
        kin.leader.signal(number)

    def tell_left_behind(self, kin: Kin, number: int) -> None:
        if not kin.leader.alive and not self.is_empty(kin):
            _of(kin).signals.append((trio.current_time() - _of(kin).spawned_at, number))

    async def tell_until_empty(self, kin: Kin, number: int) -> None:
        self.tell_left_behind(kin, number)
        await self.wait_empty(kin)

    def kill(self, kin: Kin) -> None:
        self.kills += 1
        kin.leader.signal(9)
        if not kin.leader.alive:
            _of(kin).left.set()


def _of(kin: Kin) -> FakeChild:
    assert isinstance(kin.leader, FakeChild)
    return kin.leader


@dataclass
class Stage:
    """An instance among fakes, and what it published."""

    children: FakeChildren
    containment: FakeContainment
    instance: Instance
    told: list[tuple[float, State, str]]
    held: trio.Event

    def start(self, cause: str = "started") -> Life:
        return self.instance.start(Life(cause=cause, inherited={}))

    def restart(self) -> Life:
        return self.instance.restart(Life(cause="restarted", inherited={}))

    @property
    def states(self) -> list[State]:
        return [state for _, state, _ in self.told]

    @property
    def state(self) -> State:
        return self.instance.state

    async def until(self, state: State) -> None:
        await self.instance.wait(lambda: self.instance.state is state)


def a_stage(nursery: trio.Nursery, spec: AppSpec, *scripts: Script, hold: bool = False) -> Stage:
    """An instance of *spec*, served in *nursery*; with *hold* it waits for `held`."""
    children, containment = FakeChildren(nursery, *scripts), FakeContainment()
    around = Surroundings(
        children=children,  # type: ignore[arg-type]
        containment=containment,  # type: ignore[arg-type]
        scratch=Scratch(),
        logs=LogStore(None, print),
        sockets=open_sockets(steered=True),
        display=None,
        read_env_file=lambda path: {},
        project="p",
        config="c",
        socket="s",
        runs=None,
    )
    told: list[tuple[float, State, str]] = []
    held = trio.Event()

    def publish(instance: Instance, happening: Happening) -> None:
        told.append((trio.current_time(), instance.state, instance.reason))

    async def wait_held(instance: Instance) -> None:
        if hold:
            instance.blocked("waits")
            await held.wait()

    instance = Instance(spec, 0, around, publish, wait_held)
    nursery.start_soon(_serve, instance, around.scratch)
    nursery.start_soon(_give_up)
    return Stage(children, containment, instance, told, held)


async def _give_up() -> None:
    """What hangs in virtual time comes here at once."""
    await trio.sleep(10_000)
    raise TimeoutError("nothing happens any more")


async def _serve(instance: Instance, scratch: Scratch) -> None:
    try:
        await instance.serve()
    finally:
        scratch.close()

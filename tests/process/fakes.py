"""Processes made of Trio events: their time is virtual, their signals are written down."""

import itertools
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import trio

from oxtrio.errors import AddressTaken, SpawnFailed
from oxtrio.logs.store import LogStore
from oxtrio.model.exit import Exit
from oxtrio.model.spec import AppSpec, ListenSpec
from oxtrio.model.state import Happening, State
from oxtrio.process.instance import Instance
from oxtrio.process.life import Life
from oxtrio.process.sockets import Sockets
from oxtrio.process.surroundings import Surroundings
from oxtrio.system.containment import Kin
from oxtrio.system.descriptors import FileLimit
from oxtrio.system.fifo import Scratch
from oxtrio.system.proc import ProcessStat
from oxtrio.system.spawn import Launch

NOBODY = itertools.count(2**30)
"""Pids that no kernel gives to anybody."""


EXPECTED_BUG = re.compile(r"RuntimeError\('a bug'\)")
"""What a test does to an instance, all else that ends it is a bug indeed."""


@dataclass(frozen=True)
class Script:
    """What a fake process does."""

    lasts: float = float("inf")
    code: int = 0
    deaf_to: Collection[int] = ()
    leaves: float = 0.0
    """Seconds that something it started stays after it, deaf to all but SIGKILL."""
    clings: bool = False
    """What it leaves behind survives even SIGKILL."""
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
    status: int | None = None
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

    def house(self, kin: Kin) -> None:
        pass

    def find_house(self, kin: Kin) -> None:
        pass

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
        if not kin.leader.alive and not _of(kin).script.clings:
            _of(kin).left.set()


def _of(kin: Kin) -> FakeChild:
    assert isinstance(kin.leader, FakeChild)
    return kin.leader


class FakeStream(trio.abc.AsyncResource):
    """A connection that somebody waits to have accepted."""

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@dataclass(eq=False)
class FakeSlot:
    """A place in the queue of which nobody ever stands, but for as long as it is said."""

    group: "FakeGroup"
    number: int
    released: bool = False

    @property
    def place(self) -> int:
        return self.number

    def fileno(self) -> int:
        return 100 + self.number

    def is_waiting(self) -> bool:
        return False

    async def connect(self) -> FakeStream:
        await trio.lowlevel.checkpoint()
        return FakeStream()

    async def wait_accepted(self, stream: FakeStream, pids: object) -> None:
        await trio.sleep(self.group.net.accepts_after)

    def answered_by(self, stream: FakeStream, pids: object) -> bool:
        return True

    async def wait_drained(self) -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        assert self not in self.group.serving, "who is served is never drained"
        self.group.net.draining.append(self.number)
        try:
            with trio.move_on_after(self.group.net.drains_for):
                await self.group.closed.wait()
        finally:
            self.group.net.draining.remove(self.number)

    def release(self) -> None:
        assert not self.released
        self.released = True
        self.group.free.append(self.number)


@dataclass(eq=False)
class FakeGroup:
    net: "FakeNet"
    listen: ListenSpec
    steered: bool = True
    slots: list[FakeSlot] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    serving: Sequence[FakeSlot] = ()
    closed: trio.Event = field(default_factory=trio.Event)

    def take(self) -> FakeSlot:
        assert not self.closed.is_set()
        if self.net.take_error is not None:
            raise self.net.take_error
        number = self.free.pop() if self.free else len(self.slots)
        self.slots.append(FakeSlot(self, number))
        return self.slots[-1]

    def take_at(self, place: int) -> FakeSlot | None:
        if place not in self.free:
            return None
        self.free.remove(place)
        self.slots.append(FakeSlot(self, place))
        return self.slots[-1]

    def serve(self, slots: Sequence[FakeSlot]) -> None:
        assert slots
        assert not any(slot.released for slot in slots)
        self.serving = slots
        numbers = sorted(slot.number for slot in slots)
        self.net.told.append((round(trio.current_time(), 3), f"{self.listen} {numbers}"))

    def close(self) -> None:
        if not self.closed.is_set():
            self.closed.set()
            self.net.told.append((round(trio.current_time(), 3), f"{self.listen} closed"))


@dataclass(eq=False)
class FakeNet:
    """Addresses that nobody can reach, and what became of them."""

    taken: dict[str, Exception] = field(default_factory=dict)
    """Addresses that cannot be held."""
    excludes: dict[str, str] = field(default_factory=dict)
    """Addresses that cannot be held as long as another one is."""
    take_error: OSError | None = None
    accepts_after: float = 0.0
    drains_for: float = 0.0
    """Seconds that somebody waits in the queue of a place that is left."""
    told: list[tuple[float, str]] = field(default_factory=list)
    draining: list[int] = field(default_factory=list)
    groups: list[FakeGroup] = field(default_factory=list)

    async def open(self, listen: ListenSpec) -> FakeGroup:
        await trio.lowlevel.checkpoint()
        if str(listen) in self.taken:
            raise self.taken[str(listen)]
        if self.excludes.get(str(listen)) in self.held:
            raise AddressTaken(f"cannot hold {listen}: the address is in use")
        assert str(listen) not in self.held, "the kernel would refuse that"
        self.groups.append(FakeGroup(self, listen))
        return self.groups[-1]

    @property
    def held(self) -> list[str]:
        return [str(group.listen) for group in self.groups if not group.closed.is_set()]

    def serving(self, address: ListenSpec) -> list[int]:
        """The numbers of the slots that get new connections."""
        group = next(g for g in self.groups if g.listen == address and not g.closed.is_set())
        assert not any(slot.released for slot in group.serving)
        return sorted(slot.number for slot in group.serving)


@dataclass
class Stage:
    """An instance among fakes, and what it published."""

    children: FakeChildren
    containment: FakeContainment
    instance: Instance
    told: list[tuple[float, State, str]]
    held: trio.Event
    net: FakeNet
    happened: list[Happening]
    bugs: list[BaseException]

    def succeed(self, spec: AppSpec | None = None) -> Life:
        """A newcomer begins, as a reload would have it."""
        life = Life(cause="reloaded", inherited={})
        life.preparation = self.instance.prepare(life, spec or self.instance.spec)
        return self.instance.succeed(life)

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


def a_stage(
    nursery: trio.Nursery,
    spec: AppSpec,
    *scripts: Script,
    hold: bool = False,
    net: FakeNet | None = None,
) -> Stage:
    """An instance of *spec*, served in *nursery*; with *hold* it waits for `held`."""
    children, containment = FakeChildren(nursery, *scripts), FakeContainment()
    net = net or FakeNet()
    around = Surroundings(
        children=children,  # type: ignore[arg-type]
        containment=containment,  # type: ignore[arg-type]
        scratch=Scratch(),
        logs=LogStore(None, print),
        sockets=Sockets(net.open),  # type: ignore[arg-type]
        display=None,
        read_env_file=lambda path: {},
        project="p",
        config="c",
        socket="s",
        runs=None,
    )
    told: list[tuple[float, State, str]] = []
    happened: list[Happening] = []
    bugs: list[BaseException] = []
    held = trio.Event()

    def publish(instance: Instance, happening: Happening) -> None:
        # Whoever keeps what is published would else know of a wait without its end.
        assert (instance.next_at is not None) == (instance.state is State.BACKOFF)
        told.append((trio.current_time(), instance.state, instance.reason))
        happened.append(happening)

    async def wait_held(instance: Instance) -> None:
        if hold:
            instance.blocked("waits")
            await held.wait()

    instance = Instance(spec, 0, around, publish, wait_held)
    instance.report = lambda what, bug: bugs.append(bug)
    nursery.start_soon(_serve, instance, around.scratch, bugs)
    nursery.start_soon(_give_up)
    return Stage(children, containment, instance, told, held, net, happened, bugs)


async def _give_up() -> None:
    """What hangs in virtual time comes here at once."""
    await trio.sleep(10_000)
    raise TimeoutError("nothing happens any more")


async def _serve(instance: Instance, scratch: Scratch, bugs: list[BaseException]) -> None:
    """As its app does it: what a bug has ended begins again."""
    try:
        while True:
            try:
                await instance.serve()
                return
            except Exception as bug:  # noqa: BLE001 - the test looks at them
                if isinstance(bug, TimeoutError) or not EXPECTED_BUG.search(repr(bug)):
                    raise
                bugs.append(bug)
            instance.revive()
            await trio.sleep(1)
    finally:
        scratch.close()

"""A real engine in a temporary folder, and what must hold when it ends, whatever happened in it.

Every run carries a marker of its test in the environment, so that nothing can get away.
"""

import ctypes
import os
import resource
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from oxtrio.logs.store import open_store
from oxtrio.model.order import Order, Report, Step, Verb
from oxtrio.model.spec import AppSpec, Config, ReadySpec, StopSpec
from oxtrio.model.status import InstanceStatus
from oxtrio.process.instance import Instance
from oxtrio.process.sockets import open_sockets
from oxtrio.process.surroundings import Surroundings
from oxtrio.supervisor.journal import Journal
from oxtrio.supervisor.supervisor import Supervisor, open_supervisor
from oxtrio.system.children import Children
from oxtrio.system.containment import Containment
from oxtrio.system.fifo import Scratch
from oxtrio.system.guest import open_guest
from oxtrio.system.owner import PR_SET_CHILD_SUBREAPER, open_owner
from oxtrio.system.proc import all_pids, children_of, environ_of, stat_of

FIXTURES = Path(__file__).parent / "fixtures"
MARK = "OXTRIO_TEST_MARK"
DEADLINE = 30.0
"""Seconds after which a test hangs. Nothing is measured with it."""


def program(name: str, *arguments: str) -> tuple[str, ...]:
    """The command of a fixture program."""
    return (sys.executable, "-IS", str(FIXTURES / name), *arguments)


def an_app(name: str, command: str | tuple[str, ...], **changes: object) -> AppSpec:
    """An app that counts as up at once, and is stopped without much patience."""
    plain = AppSpec(
        name=name,
        command=command,
        working_dir="/",
        ready=ReadySpec(start=0.0, timeout=DEADLINE),
        stop=StopSpec(timeout=DEADLINE),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def _nothing(step: Step) -> None:
    pass


@dataclass
class Engine:
    """What a test does with a supervisor."""

    supervisor: Supervisor
    folder: Path
    mark: str
    bugs: list[BaseException] = field(default_factory=list)
    config_error: Exception | None = None

    def take(self, *specs: AppSpec) -> None:
        """The oxfile has this in it from now on."""
        self.config = replace(self.supervisor.config, apps=specs)

    def __post_init__(self) -> None:
        self.config = self.supervisor.config

    def instance(self, name: str) -> Instance:
        return next(each for each in self.supervisor.instances() if each.name == name)

    def status(self, name: str) -> InstanceStatus:
        return next(row for row in self.supervisor.status(()) if row.name == name)

    def pid(self, name: str) -> int:
        """Of the main process, which must be there."""
        pid = self.status(name).pid
        assert pid is not None, self.status(name)
        return pid

    def log(self, name: str) -> str:
        path = self.folder / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def told(self, name: str = "") -> list[tuple[str, str]]:
        """(name, state) of every event so far, of one instance where a name is given."""
        events = self.supervisor.events()
        return [(each.name, each.state) for each in events if name in ("", each.name)]

    async def order(
        self, verb: Verb, *names: str, tell: Callable[[Step], None] = _nothing, **rest: object
    ) -> Report:
        order = Order(verb=verb, names=names, **rest)  # type: ignore[arg-type]
        return await self.supervisor.carry_out(order, tell)

    async def start(self, *names: str) -> Report:
        """Start, and insist that it works."""
        report = await self.order(Verb.START, *names)
        assert report.ok, report
        return report

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when *condition* holds; it is looked at after every change, and now and then."""
        while not condition():
            with trio.move_on_after(0.02):
                await self.supervisor.changed.park()

    def marked(self) -> list[int]:
        """All living processes of this test."""
        return [pid for pid in all_pids() if self._is_marked(pid)]

    def _is_marked(self, pid: int) -> bool:
        stat = stat_of(pid)
        if stat is None or stat.dead or pid == os.getpid():
            return False
        return environ_of(pid).get(MARK.encode()) == self.mark.encode()


async def eventually(condition: Callable[[], object]) -> None:
    """For what the system tells to nobody: look again and again, until the test's deadline."""
    while not condition():  # noqa: ASYNC110
        await trio.sleep(0.005)


def is_alive(pid: int) -> bool:
    stat = stat_of(pid)
    return stat is not None and not stat.dead


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """A signal from somebody else than oxtrio."""
    os.kill(pid, number)


def read_pid(path: Path) -> int:
    """The pid that a fixture program has written to *path*; 0 while it has not."""
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return 0


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@contextmanager
def own_process() -> Iterator[None]:
    """What a supervisor changes in its own process is put back, for the tests that follow."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@asynccontextmanager
async def reaper(
    manner: str = "owner", deadline: float = DEADLINE, tidy: bool = True
) -> AsyncIterator[Children]:
    """Children in either manner, with a deadline for all that happens inside.

    With *tidy* nothing that is our child at the end is left alive, also where a test failed.
    """
    opened = open_owner() if manner == "owner" else open_guest()
    ours = set(children_of("self"))
    with own_process(), trio.fail_after(deadline):
        async with opened as children:
            try:
                yield children
            finally:
                for pid in set(children_of("self")) - ours if tidy else ():
                    kill(pid)


@asynccontextmanager
async def engine(
    folder: Path,
    *specs: AppSpec,
    deadline: float = DEADLINE,
    named_pipes: bool = True,
    steered: bool = True,
) -> AsyncIterator[Engine]:
    """A supervisor of *specs*; all is stopped at the end, and nothing may be left."""
    (folder / "runs").mkdir(mode=0o700, exist_ok=True)
    before = descriptors()
    scratch = Scratch()
    ours = set(children_of("self"))
    with own_process(), trio.fail_after(deadline):
        async with open_owner() as children, open_store(str(folder / "logs"), print) as logs:
            around = Surroundings(
                children=children,
                containment=Containment(children),
                scratch=scratch,
                logs=logs,
                sockets=open_sockets(steered=steered),
                display=None,
                read_env_file=_read_env_file,
                project="test",
                config=str(folder / "oxfile.toml"),
                socket=str(folder / "control.sock"),
                runs=str(folder / "runs") if named_pipes else None,
            )
            made = _make(folder, around, specs)
            try:
                async with open_supervisor(made.supervisor):
                    yield made
                    await made.supervisor.stop_all()
                await eventually(lambda: not set(children_of("self")) - ours)
                assert made.marked() == []
                assert made.bugs == []
                assert list((folder / "runs").iterdir()) == []
            finally:
                for pid in made.marked():
                    kill(pid)
                made.supervisor.journal.close()
                scratch.close()
    assert abs(descriptors() - before) <= 2


def _make(folder: Path, around: Surroundings, specs: tuple[AppSpec, ...]) -> Engine:
    config = Config(files=(around.config,), apps=specs)
    bugs: list[BaseException] = []

    async def read_config(environ: object) -> Config:
        await trio.lowlevel.checkpoint()
        if made.config_error is not None:
            raise made.config_error
        return made.config

    def report(what: str, bug: BaseException) -> None:
        bugs.append(bug)

    journal = Journal(str(folder / "events.ndjson"), time.time)
    supervisor = Supervisor(config, around, journal, read_config, report)
    mark = uuid.uuid4().hex
    supervisor.environ = {**os.environ, MARK: mark}
    made = Engine(supervisor, folder, mark, bugs)
    return made


def _read_env_file(path: str) -> dict[str, str]:
    lines = Path(path).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)

"""Runs live in cgroups of their own, where such can be made; nothing gets away from there."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from oxtrio.model.spec import StopSpec
from oxtrio.process.stop import stop_kin, sweep_kin
from oxtrio.system.cgroup import Cgroup, Hierarchy, cgroup_of, hierarchies
from oxtrio.system.children import Children
from oxtrio.system.containment import Containment, Kin
from oxtrio.system.delegation import Ground, NoGround, find_ground
from oxtrio.system.proc import stat_of
from oxtrio.system.quarters import Quarters, open_quarters
from oxtrio.system.spawn import Launch
from tests.engine import DEADLINE, eventually, is_alive, kill, program, read_pid, reaper

GROUND = find_ground()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        isinstance(GROUND, NoGround), reason=f"no cgroups: {getattr(GROUND, 'why', '')}"
    ),
]

PATIENT = StopSpec(timeout=DEADLINE)
HASTY = StopSpec(timeout=0.1)
HERE = Path(__file__).parents[2]


@dataclass
class Runs:
    children: Children
    containment: Containment
    quarters: Quarters

    def spawn(self, *argv: str, run_id: str = "", env: dict[str, str] | None = None) -> Kin:
        run_id = run_id or uuid.uuid4().hex[:16]
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        env = {"PATH": os.environ["PATH"], **(env or {})}
        launch = Launch(argv=argv, cwd=str(HERE), env=env, stdout=null, stderr=2, run_id=run_id)
        kin = self.containment.admit(run_id, self.children.spawn(launch))
        os.close(null)
        self.containment.house(kin)
        return kin

    async def housed(self, *argv: str, **more: dict[str, str]) -> tuple[Kin, Cgroup]:
        kin = self.spawn(*argv, **more)  # type: ignore[arg-type]
        assert kin.cgroup is not None
        await eventually(lambda: kin.cgroup and kin.leader.pid in kin.cgroup.pids())
        return kin, kin.cgroup

    def pids(self, kin: Kin) -> set[int]:
        return {stat.pid for stat in self.containment.members(kin)}

    async def stop(self, kin: Kin, spec: StopSpec = PATIENT) -> None:
        await stop_kin(self.containment, kin, spec)
        await sweep_kin(self.containment, kin, 0.0, None)


@pytest.fixture
def quarters() -> Iterator[Quarters]:
    found = open_quarters(f"test-{uuid.uuid4().hex[:8]}")
    assert isinstance(found, Quarters)
    yield found
    Cgroup(found.folder).kill()
    while Cgroup(found.folder).is_populated:
        pass
    Cgroup(found.folder).remove()


@asynccontextmanager
async def runs(quarters: Quarters) -> AsyncIterator[Runs]:
    async with reaper() as children, trio.open_nursery() as nursery:
        containment = Containment(children, quarters)
        nursery.start_soon(containment.serve)
        yield Runs(children, containment, quarters)
        nursery.cancel_scope.cancel()


def a_process(*argv: str) -> subprocess.Popen[str]:
    """One that is none of a run."""
    return subprocess.Popen(argv, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def is_there(folder: str) -> bool:
    return os.path.isdir(folder)


def ready(path: Path) -> bool:
    return read_pid(path) > 0


# What a cgroup can do.


def test_it_tells_of_all_below_it_and_who_lives_there(quarters: Quarters):
    cgroup = quarters.of("a")
    os.makedirs(f"{cgroup.folder}/inner/most")
    assert not cgroup.is_populated
    process = subprocess.Popen(["sleep", "60"])

    Cgroup(f"{cgroup.folder}/inner/most").take_in(process.pid)

    assert (cgroup.is_populated, cgroup.own_pids(), cgroup.pids()) == (True, [], [process.pid])
    assert cgroup.has(process.pid)
    assert not cgroup.remove()
    cgroup.kill()
    assert process.wait() == -signal.SIGKILL
    assert (cgroup.is_populated, cgroup.pids()) == (False, [])
    assert cgroup.remove()
    assert not os.path.exists(cgroup.folder)


def test_one_that_is_gone_is_empty_and_no_error():
    cgroup = Cgroup("/sys/fs/cgroup/no/such")

    cgroup.kill()

    assert (cgroup.pids(), cgroup.is_populated, cgroup.remove()) == ([], False, True)


def test_it_never_kills_who_asks(quarters: Quarters):
    os.makedirs(quarters.of("a").folder)
    text = (
        "import sys; from oxtrio.system.cgroup import Cgroup; import os\n"
        "cgroup = Cgroup(sys.argv[1]); cgroup.take_in(os.getpid()); cgroup.kill(); print('alive')"
    )

    said = subprocess.check_output(
        [sys.executable, "-c", text, quarters.of("a").folder], cwd=HERE, text=True
    )

    assert said == "alive\n"


async def test_the_end_of_its_last_process_is_told(quarters: Quarters):
    cgroup = quarters.of("a")
    os.makedirs(cgroup.folder)
    process = a_process("sleep", "60")
    cgroup.take_in(process.pid)
    told = trio.Event()

    async def wait() -> None:
        await cgroup.wait_change()
        told.set()

    with trio.fail_after(DEADLINE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            assert not told.is_set()
            process.kill()
            await told.wait()
        await cgroup.wait_change()  # nobody is in it
    process.communicate()


# Where they are.


@pytest.mark.parametrize(
    ("root", "path", "folder"),
    [
        ("/", "/", "/cg"),
        ("/", "/a/b", "/cg/a/b"),
        ("/a", "/a/b", "/cg/b"),
        ("/a", "/a", "/cg"),
        ("/a", "/ab", None),
        ("/a", "/b", None),
        ("/", "/../b", None),
        ("/", None, None),
    ],
)
def test_the_folder_of_a_process_follows_from_what_is_mounted(
    monkeypatch: pytest.MonkeyPatch, root: str, path: str | None, folder: str | None
):
    monkeypatch.setattr("oxtrio.system.cgroup.cgroup_of", lambda pid: path)

    assert Hierarchy("/cg", root).folder_of("self") == folder


def test_our_own_cgroup_is_where_we_are():
    found = [each.folder_of("self") for each in hierarchies()]

    assert any(folder and os.getpid() in Cgroup(folder).own_pids() for folder in found)
    assert (cgroup_of("self") or "").startswith("/")
    assert cgroup_of(1 << 30) is None


# Runs.


async def test_a_run_is_moved_to_its_cgroup_and_the_supervisor_is_not(quarters: Quarters):
    before = cgroup_of("self")
    async with runs(quarters) as here:
        kin, cgroup = await here.housed("sleep", "60")

        assert cgroup.folder == f"{quarters.folder}/{kin.run_id}"
        assert here.containment.manner == f"cgroup {quarters.folder}"
        await here.stop(kin)
        here.containment.dismiss(kin)
        await eventually(lambda: not is_there(quarters.folder))
    assert cgroup_of("self") == before


async def test_none_of_fifty_daemons_gets_away(quarters: Quarters):
    """They fork twice, in a new session, wipe their environment, and do so at once."""
    daemon = "setsid -f env -i setsid sleep 60; exit 0"
    async with runs(quarters) as here:
        kins = [here.spawn("/bin/sh", "-c", daemon) for _ in range(50)]
        for kin in kins:
            await kin.leader.gone.wait()
            await eventually(lambda kin=kin: kin.cgroup and len(kin.cgroup.pids()) == 1)

        assert all(len(here.pids(kin)) == 1 for kin in kins)
        for kin in kins:
            await here.stop(kin, HASTY)
            assert here.containment.is_empty(kin)
            here.containment.dismiss(kin)
        await eventually(lambda: not is_there(quarters.folder))


LOST = (
    "import os, resource, sys, time\n"
    "while 'oxtrio-test' not in open('/proc/self/cgroup').read(): time.sleep(0.005)\n"
    "resource.setrlimit(10, (resource.RLIM_INFINITY,) * 2)\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    "        open(sys.argv[1], 'w').write(str(os.getpid()))\n"
    "        os.execve('/bin/sleep', ['sleep', '60'], {})\n"
    "    os._exit(0)\n"
    "while not os.path.exists(sys.argv[1]): time.sleep(0.005)\n"
)


async def test_who_has_lost_every_mark_is_known_by_its_cgroup(quarters: Quarters, tmp_path: Path):
    path = tmp_path / "pid"
    async with runs(quarters) as here:
        kin = here.spawn(*program("x")[:2], "-c", LOST, str(path))
        await kin.leader.gone.wait()
        await eventually(lambda: ready(path))
        kin.seen.clear()

        assert here.pids(kin) == {read_pid(path)}
        await here.stop(kin)

        assert not is_alive(read_pid(path))


async def test_who_has_left_its_cgroup_is_known_by_descent(quarters: Quarters):
    async with runs(quarters) as here:
        kin, cgroup = await here.housed("/bin/sh", "-c", "setsid -f env -i sleep 60; exec sleep 60")
        await eventually(lambda: len(cgroup.pids()) == 2)
        [daemon] = {*cgroup.pids()} - {kin.leader.pid}
        Cgroup(os.path.dirname(quarters.folder)).take_in(daemon)
        assert cgroup.pids() == [kin.leader.pid]

        assert here.pids(kin) == {kin.leader.pid, daemon}
        await here.stop(kin)

        assert not is_alive(daemon)
        assert here.containment.is_empty(kin)


async def test_who_is_in_it_belongs_to_it_whoever_its_parent_is(quarters: Quarters):
    with a_process("/bin/sh", "-c", "sleep 60 & echo $!; wait; read line") as stranger:
        assert stranger.stdout is not None
        pid = int(stranger.stdout.readline())
        async with runs(quarters) as here:
            kin, cgroup = await here.housed("sleep", "60")
            cgroup.take_in(pid)
            assert here.pids(kin) == {kin.leader.pid, pid}
            kin.leader.signal(signal.SIGTERM)
            await kin.leader.gone.wait()
            assert not here.containment.is_empty(kin)

            here.containment.tell_left_behind(kin, signal.SIGTERM)
            await here.containment.wait_empty(kin)  # only the cgroup tells its end

            assert not is_alive(pid)
            assert is_alive(stranger.pid)
        stranger.kill()


async def test_cgroups_that_a_run_has_made_go_with_it(quarters: Quarters):
    script = 'd=$1$(sed -n "s/^0:://p" /proc/self/cgroup)/mine; mkdir $d; echo $$ >$d/cgroup.procs'
    assert isinstance(GROUND, Ground)
    mount = GROUND.hierarchy.mount
    wait = "until grep -q oxtrio-test /proc/self/cgroup; do sleep 0.01; done;"
    async with runs(quarters) as here:
        kin = here.spawn("/bin/sh", "-c", f"{wait} {script}; sleep 60", "sh", mount)
        cgroup = kin.cgroup
        assert cgroup is not None
        await eventually(lambda: is_there(f"{cgroup.folder}/mine") and not cgroup.own_pids())
        await eventually(lambda: len(here.pids(kin)) == 2)

        await here.stop(kin)
        here.containment.dismiss(kin)

        await eventually(lambda: not is_there(cgroup.folder))


async def test_what_forks_while_it_is_killed_is_killed_to_the_last(quarters: Quarters):
    bomb = "trap '' TERM; while :; do (setsid env -i sleep 30 &); sleep 0.005; done"
    async with runs(quarters) as here:
        kin, cgroup = await here.housed("/bin/sh", "-c", bomb)
        await eventually(lambda: len(cgroup.pids()) > 20)

        await here.stop(kin, HASTY)

        assert here.containment.is_empty(kin)
        assert cgroup.pids() == []
        assert [pid for pid in here.children.orphans() if is_alive(pid)] == []


async def test_the_cgroup_of_a_run_is_found_again(quarters: Quarters):
    async with runs(quarters) as here:
        kin, cgroup = await here.housed("sleep", "60")
        other = open_quarters("somebody-elses")
        assert isinstance(other, Quarters)

        found = [each.find(kin.run_id, kin.leader.pid) for each in (quarters, other)]
        assert [each.folder for each in found if each] == [cgroup.folder] * 2
        assert other.find("unknown", kin.leader.pid) is None
        kill(kin.leader.pid)
        await kin.leader.gone.wait()
        again = quarters.find(kin.run_id, kin.leader.pid)
        assert again is not None
        assert again.folder == cgroup.folder


async def test_what_dead_supervisors_left_is_removed_where_nobody_lives_in_it(quarters: Quarters):
    os.makedirs(f"{quarters.folder}/dead/inner")
    async with runs(quarters) as here:
        kin, cgroup = await here.housed("sleep", "60")

        quarters.tidy()

        assert not is_there(f"{quarters.folder}/dead")
        assert cgroup.pids() == [kin.leader.pid]
        await here.stop(kin)
        quarters.tidy()
        assert not is_there(quarters.folder)


async def test_what_other_projects_left_is_removed_once_it_is_old(quarters: Quarters):
    other = Cgroup(f"{quarters.folder}-other/dead")
    os.makedirs(other.folder)
    open_quarters("somebody-elses")
    assert is_there(other.folder)

    async with runs(quarters) as here:
        kin, cgroup = await here.housed("sleep", "60")
        for each in (os.path.dirname(other.folder), quarters.folder):
            os.utime(each, (0, 0))
        open_quarters("somebody-elses")

        assert not is_there(other.folder)
        assert cgroup.pids() == [kin.leader.pid]
        await here.stop(kin)


async def test_where_a_run_cannot_be_moved_descent_is_in_force(
    quarters: Quarters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(cgroup: Cgroup, pid: int) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(Cgroup, "take_in", refused)
    path = tmp_path / "pid"
    async with runs(quarters) as here:
        kin = here.spawn(*program("daemonise.py", str(path), "wiped"))
        await kin.leader.gone.wait()
        await eventually(lambda: "cannot move" in here.containment.manner)

        assert here.containment.manner.startswith("subreaper and descent")
        assert here.pids(kin) == {read_pid(path)}
        await here.stop(kin)
        assert stat_of(read_pid(path)) is None or not is_alive(read_pid(path))

"""Nothing that a run started gets away, however it tries."""

import os
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from oxtrio.model.spec import StopSpec
from oxtrio.process.stop import stop_kin, sweep_kin
from oxtrio.system.children import Children
from oxtrio.system.containment import MARKER, Containment, Kin, send
from oxtrio.system.guest import Guest
from oxtrio.system.proc import all_pids, environ_of, stat_of
from oxtrio.system.spawn import Launch
from tests.engine import DEADLINE, eventually, is_alive, kill, program, read_pid, reaper

pytestmark = pytest.mark.slow

SESSION = uuid.uuid4().hex
HASTY = StopSpec(timeout=0.1)
PATIENT = StopSpec(timeout=20)


@dataclass
class Runs:
    children: Children
    containment: Containment
    null: int

    def spawn(self, run_id: str, *argv: str, environ_id: str = "") -> Kin:
        # A guest looks at every process: ids must differ from those of other test sessions.
        markers = (f"{SESSION}{each}" for each in (environ_id or run_id).split(":"))
        run_id = f"{SESSION}{run_id}"
        env = {"PATH": os.environ["PATH"], MARKER: ":".join(markers)}
        launch = Launch(argv=argv, cwd="/", env=env, stdout=self.null, stderr=self.null)
        return self.containment.admit(run_id, self.children.spawn(launch))

    def pids(self, kin: Kin) -> set[int]:
        return {stat.pid for stat in self.containment.members(kin)}

    def marked(self) -> list[int]:
        """All that carry a marker of this session."""
        marker = MARKER.encode()
        found = [pid for pid in all_pids() if is_alive(pid) and pid != os.getpid()]
        return [pid for pid in found if SESSION.encode() in environ_of(pid).get(marker, b"")]

    async def stop(self, kin: Kin, spec: StopSpec) -> None:
        await stop_kin(self.containment, kin, spec)
        await sweep_kin(self.containment, kin, 0.0, None)


async def is_soon_empty(here: Runs, kin: Kin) -> None:
    """Nothing is left, and that is sure: at once for an owner.

    A guest may be in doubt for a moment about any process of this machine that just begins.
    """
    if isinstance(here.children, Guest):
        with trio.fail_after(DEADLINE):
            await here.containment.wait_empty(kin)
    assert here.containment.members(kin) == []
    assert isinstance(here.children, Guest) or here.containment.is_empty(kin)


@asynccontextmanager
async def runs(manner: str = "owner") -> AsyncIterator[Runs]:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    async with reaper(manner) as children:
        containment = Containment(children)
        kept = Runs(children, containment, null)
        kins: list[Kin] = []
        admit = containment.admit
        containment.admit = lambda *args: kins.append(admit(*args)) or kins[-1]  # type: ignore
        try:
            yield kept
        finally:
            with trio.CancelScope(shield=True):
                for kin in kins:
                    await sweep_kin(containment, kin, 0.0, None)
    os.close(null)


def ready(path: Path) -> bool:
    return read_pid(path) > 0


MANNERS = pytest.mark.parametrize("manner", ["owner", "guest"])


@MANNERS
async def test_a_leader_that_hears_nothing_is_killed_when_patience_runs_out(
    tmp_path: Path, manner: str
) -> None:
    async with runs(manner) as here:
        kin = here.spawn("a", *program("stubborn.py", str(tmp_path / "ready"), "TERM", "INT"))
        await eventually(lambda: ready(tmp_path / "ready"))

        await here.stop(kin, HASTY)

        assert kin.leader.exit is not None
        assert kin.leader.exit.signal == signal.SIGKILL
        await is_soon_empty(here, kin)


@MANNERS
async def test_a_whole_group_that_hears_nothing_is_killed(tmp_path: Path, manner: str) -> None:
    path, twin = tmp_path / "ready", tmp_path / "ready.twin"
    async with runs(manner) as here:
        kin = here.spawn("a", *program("stubborn.py", str(path), "TERM", "INT", "twin"))
        await eventually(lambda: ready(path) and ready(twin))
        assert here.pids(kin) == {read_pid(path), read_pid(twin)}

        await here.stop(kin, HASTY)

        await eventually(lambda: not is_alive(read_pid(path)) and not is_alive(read_pid(twin)))


@MANNERS
async def test_a_daemon_beside_its_leader_is_stopped_with_it(tmp_path: Path, manner: str) -> None:
    path = tmp_path / "pid"
    async with runs(manner) as here:
        kin = here.spawn("a", *program("daemonise.py", str(path), "stay"))
        await eventually(lambda: ready(path))
        assert read_pid(path) in here.pids(kin)

        await here.stop(kin, PATIENT)

        assert not is_alive(read_pid(path))
        await is_soon_empty(here, kin)


@MANNERS
async def test_a_daemon_that_outlives_its_leader_still_belongs_to_the_run(
    tmp_path: Path, manner: str
) -> None:
    path = tmp_path / "pid"
    async with runs(manner) as here:
        kin = here.spawn("a", *program("daemonise.py", str(path)))
        await kin.leader.gone.wait()

        assert here.pids(kin) == {read_pid(path)}
        assert not here.containment.is_empty(kin)
        await sweep_kin(here.containment, kin, 20.0, signal.SIGTERM)

        assert not is_alive(read_pid(path))


async def test_a_daemon_without_environment_is_known_from_having_been_seen(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    async with runs() as here:
        kin = here.spawn("a", *program("daemonise.py", str(path), "stay", "wiped"))
        await eventually(lambda: ready(path))
        found = stat_of(read_pid(path))
        assert found is not None
        # It is nobody's descendant now: only the subreaper knows where it is.
        assert (found.parent, found.session != kin.leader.pid) == (os.getpid(), True)
        kin.seen.add((found.pid, found.started))

        await here.stop(kin, PATIENT)

        assert not is_alive(found.pid)


@pytest.mark.parametrize("marker", ["outer:mine", "mine:inner", "a:mine:z"])
async def test_a_marker_between_those_of_others_counts(tmp_path: Path, marker: str) -> None:
    path = tmp_path / "pid"
    async with runs() as here:
        stranger = here.spawn("other", "/bin/sleep", "60")
        kin = here.spawn("mine", *program("daemonise.py", str(path)), environ_id=marker)
        await kin.leader.gone.wait()

        assert here.pids(kin) == {read_pid(path)}
        await here.stop(kin, PATIENT)

        await is_soon_empty(here, kin)
        assert here.pids(stranger) == {stranger.leader.pid}


async def test_a_marker_that_only_begins_like_ours_is_somebody_elses(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    async with runs() as here:
        kin = here.spawn("run1", *program("daemonise.py", str(path)), environ_id="run11:run")
        await kin.leader.gone.wait()

        await is_soon_empty(here, kin)
        kill(read_pid(path))
        await eventually(lambda: not here.children.orphans())


@MANNERS
@pytest.mark.parametrize(
    "script",
    [
        "setsid sh -c 'sleep 60 & sleep 60'; true",
        "set -m; sleep 60 & sleep 60; true",
        "setsid -f sleep 60; sleep 60; true",
    ],
    ids=["another session", "another group", "another session, orphaned"],
)
async def test_who_leaves_the_session_or_the_group_is_reached(script: str, manner: str) -> None:
    async with runs(manner) as here:
        kin = here.spawn("a", "/bin/bash", "-c", script)
        await eventually(lambda: len(here.pids(kin)) >= 3)
        pids = here.pids(kin)

        await here.stop(kin, PATIENT)

        assert [pid for pid in pids if is_alive(pid)] == []


async def test_what_forks_while_it_is_killed_is_killed_to_the_last() -> None:
    bomb = "trap '' TERM; while :; do (setsid sleep 30 &); sleep 0.005; done"
    async with runs() as here:
        kin = here.spawn("a", "/bin/sh", "-c", bomb)
        await eventually(lambda: len(here.pids(kin)) > 20)

        await here.stop(kin, HASTY)

        await is_soon_empty(here, kin)
        assert [pid for pid in here.children.orphans() if is_alive(pid)] == []
        child = here.spawn("b", "/bin/true")
        await child.leader.gone.wait()


async def test_a_chain_that_ends_link_by_link_is_never_taken_for_empty(tmp_path: Path) -> None:
    """Each link forks the next and ends: between two looks its parent is always another one."""
    chain = (
        "import os, time\n"
        "os.setsid() if os.fork() == 0 else os._exit(0)\n"
        "end = time.monotonic() + 0.5\n"
        "while time.monotonic() < end:\n"
        "    if os.fork(): os._exit(0)\n"
        f"open({str(tmp_path / 'done')!r}, 'w').close()\n"
        "time.sleep(60)\n"
    )
    async with runs() as here:
        kin = here.spawn("a", *program("x")[:2], "-c", chain)
        await kin.leader.gone.wait()
        while not (tmp_path / "done").exists():
            assert not here.containment.is_empty(kin)
            await trio.lowlevel.checkpoint()
        await here.stop(kin, HASTY)


async def test_a_marker_that_is_no_text_hurts_nobody() -> None:
    async with runs() as here:
        other = here.spawn("b", "/bin/sleep", "60")
        script = "setsid -f env OXTRIO_RUN_ID=$(printf '\\377') sleep 60"
        kin = here.spawn("a", "/bin/sh", "-c", script)
        await kin.leader.gone.wait()
        await eventually(lambda: len(here.children.orphans()) == 1)

        assert here.pids(other) == {other.leader.pid}
        kill(here.children.orphans()[0])
        await eventually(lambda: not here.children.orphans())


async def test_two_runs_are_never_mixed_up(tmp_path: Path) -> None:
    async with runs() as here:
        first = here.spawn("a", *program("daemonise.py", str(tmp_path / "a")))
        second = here.spawn("b", *program("daemonise.py", str(tmp_path / "b")))
        await first.leader.gone.wait()
        await second.leader.gone.wait()

        await here.stop(first, PATIENT)

        assert not is_alive(read_pid(tmp_path / "a"))
        assert is_alive(read_pid(tmp_path / "b"))
        assert here.pids(second) == {read_pid(tmp_path / "b")}


async def test_a_shell_and_its_children_are_told_and_others_are_left_to_their_master() -> None:
    async with runs() as here:
        script = "trap '' TERM; /bin/sh -c 'trap \"\" TERM; sleep 60; exit 1' & wait; sleep 60"
        kin = here.spawn("a", "/bin/sh", "-c", script)
        await eventually(lambda: len(here.pids(kin)) == 3)

        here.containment.tell_main(kin, signal.SIGTERM)

        told = {pid for pid, _ in kin.told}
        assert kin.leader.pid in told
        assert len(told) == 2


@MANNERS
async def test_what_is_left_behind_is_told_but_not_the_workers_of_a_master(
    tmp_path: Path, manner: str
) -> None:
    """They are told by their master, which may let them finish what they do."""
    async with runs(manner) as here:
        master = f"sleep 60 & echo $! > {tmp_path}/worker; wait"
        kin = here.spawn("a", "/bin/sh", "-c", f"sh -c '{master}' & echo $! > {tmp_path}/master")
        await kin.leader.gone.wait()
        await eventually(lambda: ready(tmp_path / "worker") and len(here.pids(kin)) == 2)

        here.containment.tell_left_behind(kin, signal.SIGWINCH)

        assert {pid for pid, _ in kin.told} == {read_pid(tmp_path / "master")}


async def test_who_loses_its_parent_during_the_stop_is_told_too(tmp_path: Path) -> None:
    """The master ends a while after the leader: only then its workers lose their parent."""
    async with runs() as here:
        master = "trap 'sleep 0.1; exit' TERM; sleep 60 & sleep 60 & wait"
        kin = here.spawn(
            "a", "/bin/bash", "-c", f"sh -c '{master.replace(chr(39), chr(34))}'; true"
        )
        await eventually(lambda: len(here.pids(kin)) == 4)

        with trio.fail_after(10):
            await stop_kin(here.containment, kin, PATIENT)

        await is_soon_empty(here, kin)


@MANNERS
async def test_a_stopped_process_hears_the_stop(tmp_path: Path, manner: str) -> None:
    async with runs(manner) as here:
        kin = here.spawn("a", "/bin/sh", "-c", "sleep 60; true")
        await eventually(lambda: len(here.pids(kin)) == 2)
        for pid in here.pids(kin):
            kill(pid, signal.SIGSTOP)

        await stop_kin(here.containment, kin, PATIENT)

        await is_soon_empty(here, kin)


async def test_a_dismissed_run_owns_nothing_any_more(tmp_path: Path) -> None:
    async with runs() as here:
        kin = here.spawn("a", *program("daemonise.py", str(tmp_path / "pid")))
        await kin.leader.gone.wait()
        here.containment.dismiss(kin)

        await is_soon_empty(here, kin)
        kill(read_pid(tmp_path / "pid"))
        await eventually(lambda: not here.children.orphans())


async def test_orphans_of_nobody_are_not_remembered_for_ever(tmp_path: Path) -> None:
    """As PID 1 a supervisor gets the orphans of every `docker exec`, for years."""
    async with runs() as here:
        for number in range(5):
            path = tmp_path / str(number)
            nobody = here.spawn("a", *program("daemonise.py", str(path), "wiped"))
            await nobody.leader.gone.wait()
            await here.containment.wait_empty(nobody)
            here.containment.dismiss(nobody)
            kill(read_pid(path))
            await eventually(lambda: not here.children.orphans())

        assert len(here.containment._kinship._owners) < 4


def test_a_signal_for_another_start_time_hits_nobody() -> None:
    found = stat_of(os.getpid())
    assert found is not None
    older = type(found)(
        pid=found.pid,
        name=found.name,
        state=found.state,
        parent=found.parent,
        group=found.group,
        session=found.session,
        started=found.started - 1,
    )

    assert not send(older, signal.SIGKILL)
    assert send(found, signal.SIGCONT)


@MANNERS
async def test_who_begins_a_program_in_that_moment_is_never_taken_for_nobodys(
    tmp_path: Path, manner: str
) -> None:
    """A program that is being loaded shows no environment, so nothing tells whose it is."""
    script = f"setsid -f sh -c 'echo $$ > {tmp_path}/pid; exec sleep 60'"
    async with runs(manner) as here:
        for number in range(15):
            kin = here.spawn(str(number), "/bin/sh", "-c", script)
            await kin.leader.gone.wait()

            await sweep_kin(here.containment, kin, 20.0, signal.SIGTERM)

            assert here.marked() == []
            await is_soon_empty(here, kin)
            here.containment.dismiss(kin)

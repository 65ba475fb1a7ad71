"""Exits of real processes: each exactly as it was, in both manners of reaping."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import Signals

import pytest
import trio

from oxtrio.errors import SpawnFailed
from oxtrio.model.exit import Exit
from oxtrio.system.children import Child, Children
from oxtrio.system.owner import open_owner
from oxtrio.system.proc import children_of, stat_of
from oxtrio.system.spawn import Launch
from tests.engine import FIXTURES, descriptors, eventually, is_alive, program, read_pid, reaper

pytestmark = pytest.mark.slow

MANNERS = pytest.mark.parametrize("manner", ["owner", "guest"])
ENV = {"PATH": os.environ["PATH"]}


def spawn(children: Children, *argv: str, cwd: str = "/") -> Child:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        return children.spawn(Launch(argv=argv, cwd=cwd, env=ENV, stdout=null, stderr=null))
    finally:
        os.close(null)


def shell(children: Children, script: str) -> Child:
    return spawn(children, "/bin/sh", "-c", script)


async def ended(child: Child) -> Exit:
    await child.gone.wait()
    assert child.exit is not None
    child.close()
    return child.exit


def zombies() -> list[int]:
    stats = [stat_of(pid) for pid in children_of("self")]
    return [stat.pid for stat in stats if stat is not None and stat.dead]


@MANNERS
async def test_every_exit_code_is_told_exactly_when_all_end_at_once(manner: str) -> None:
    async with reaper(manner) as children:
        running = [shell(children, f"exit {code}") for code in range(256)]

        codes = [(await ended(child)).code for child in running]

        assert codes == list(range(256))
        await eventually(lambda: not zombies())


@MANNERS
@pytest.mark.parametrize("name", ["TERM", "KILL", "INT", "HUP", "PIPE", "QUIT", "USR1", "ALRM"])
async def test_a_deadly_signal_is_told_with_who_sent_it(manner: str, name: str) -> None:
    number = Signals[f"SIG{name}"]
    async with reaper(manner) as children:
        told, by_itself = spawn(children, "/bin/sleep", "60"), shell(children, f"kill -{name} $$")

        assert told.signal(number)

        ours, its_own = await ended(told), await ended(by_itself)
        assert (ours.signal, ours.sent_by_us, ours.code) == (number, True, None)
        assert (its_own.signal, its_own.sent_by_us, its_own.code) == (number, False, None)


@pytest.mark.parametrize(("end", "status"), [("exit 7", 7 << 8), ("kill -TERM $$", 15)])
async def test_an_end_is_told_before_it_is_reaped(end: str, status: int) -> None:
    """Who dies in between leaves it to its own parent."""
    async with reaper() as children:
        child = shell(children, f"sleep 0.1; {end}")
        told: list[tuple[int, bool]] = []
        child.on_end = lambda status: told.append((status, Path(f"/proc/{child.pid}").exists()))

        await ended(child)

        assert told == [(status, True)]
        assert child.status == status


async def test_codes_are_exact_beside_a_storm_of_orphans() -> None:
    storm = "i=0; while [ $i -lt 150 ]; do (sleep 0.0$((i % 7)) &); i=$((i+1)); done; exit 99"
    async with reaper() as children:
        stormy = [shell(children, storm), shell(children, storm)]
        codes = []
        for batch in range(6):
            running = [shell(children, f"exit {(batch * 50 + each) % 251}") for each in range(50)]
            codes += [(await ended(child)).code for child in running]

        assert codes == [number % 251 for number in range(300)]
        assert [(await ended(child)).code for child in stormy] == [99, 99]
        await eventually(lambda: not children.orphans())
        assert zombies() == []


async def test_an_orphan_becomes_ours_and_its_end_wakes_who_waits(tmp_path: Path) -> None:
    async with reaper() as children:
        child = spawn(children, *program("daemonise.py", str(tmp_path / "pid")))
        assert (await ended(child)).code == 0
        [orphan] = children.orphans()
        assert orphan == int((tmp_path / "pid").read_text())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(children.wait_reaped)
            await trio.testing.wait_all_tasks_blocked()
            os.kill(orphan, signal.SIGKILL)

        await eventually(lambda: not children.orphans())


async def test_at_the_end_orphans_that_nobody_can_attribute_are_killed(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with inherited() as spared:
        async with open_owner() as children:
            await ended(spawn(children, *program("daemonise.py", str(path), "wiped")))
            daemon = read_pid(path)
            assert daemon in children.orphans()

            await children.end_orphans()

            assert (is_alive(daemon), is_alive(spared)) == (False, True)


@contextmanager
def inherited() -> Iterator[int]:
    """A child that was there before the reaper: of a shell that became us by execve."""
    child = subprocess.Popen(["sleep", "3600"])
    try:
        yield child.pid
    finally:
        child.kill()
        child.wait()


async def test_a_pause_and_its_end_are_noticed_and_are_no_exit() -> None:
    seen: list[bool] = []
    noticed = trio.Event()

    def note(paused: bool) -> None:
        seen.append(paused)
        if len(seen) == 2:
            noticed.set()

    async with reaper() as children:
        child = spawn(children, "/bin/sleep", "60")
        child.on_pause = note
        child.signal(signal.SIGSTOP)
        await eventually(lambda: child.paused)
        child.signal(signal.SIGCONT)
        await noticed.wait()

        assert seen == [True, False]
        assert child.alive
        child.signal(signal.SIGKILL)
        assert (await ended(child)).signal == signal.SIGKILL


@MANNERS
async def test_who_is_gone_cannot_be_signalled(manner: str) -> None:
    async with reaper(manner) as children:
        child = shell(children, "exit 0")
        await child.gone.wait()

        assert not child.signal(signal.SIGTERM)
        child.signal_group(signal.SIGTERM)
        child.close()
        child.close()
        child.signal_group(signal.SIGTERM)
        assert not child.signal(signal.SIGTERM)


async def test_the_group_is_reached_when_its_leader_is_gone() -> None:
    async with reaper() as children:
        child = shell(children, "sleep 60 & exit 0")
        assert (await child.gone.wait()) is None
        [left] = children.orphans()

        child.signal_group(signal.SIGKILL)

        await eventually(lambda: not is_alive(left))
        child.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a PID namespace")
def test_a_recycled_pid_is_never_hit() -> None:
    inside = [sys.executable, str(FIXTURES / "recycle.py")]
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *inside]

    done = subprocess.run(unshare, capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout == "the stranger lives\n", done.stderr


def _host_children(count: int) -> list[subprocess.Popen[bytes]]:
    return [subprocess.Popen(["/bin/sh", "-c", f"exit {code}"]) for code in range(count)]


async def test_a_guest_leaves_the_exits_of_its_host_alone() -> None:
    handler = signal.getsignal(signal.SIGCHLD)
    async with reaper("guest") as children:
        ours = [shell(children, f"exit {code}") for code in range(20)]
        plain = _host_children(20)
        by_trio = await trio.run_process(["/bin/sh", "-c", "exit 7"], check=False)
        host = await trio.to_thread.run_sync(lambda: [each.wait() for each in plain])

        assert host == list(range(20))
        assert by_trio.returncode == 7
        assert [(await ended(child)).code for child in ours] == list(range(20))
        assert signal.getsignal(signal.SIGCHLD) is handler


async def test_an_exit_that_the_host_took_is_unknown_not_zero() -> None:
    async with reaper("guest") as children:
        child = shell(children, "exit 7")
        os.waitpid(child.pid, 0)  # noqa: ASYNC222

        assert await ended(child) == Exit()


@MANNERS
async def test_a_failed_spawn_leaves_nothing(manner: str) -> None:
    async with reaper(manner) as children:
        before = descriptors(), children_of("self")
        for _ in range(20):
            with pytest.raises(SpawnFailed):
                spawn(children, "/no/such/program")

        assert (descriptors(), children_of("self")) == before


@MANNERS
async def test_descriptors_come_back_when_children_are_closed(manner: str) -> None:
    async with reaper(manner) as children:
        before = descriptors()
        for _ in range(20):
            await ended(shell(children, "exit 0"))

        await eventually(lambda: descriptors() == before)


@MANNERS
async def test_who_is_cancelled_from_outside_still_sees_its_children_end(manner: str) -> None:
    with trio.CancelScope() as outer:
        async with reaper(manner) as children:
            child = spawn(children, "/bin/sleep", "60")
            outer.cancel()
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True), trio.fail_after(30):
                    child.signal(signal.SIGTERM)
                    assert (await ended(child)).signal == signal.SIGTERM
    assert outer.cancelled_caught


@MANNERS
async def test_the_end_of_the_reaper_ends_no_child(manner: str) -> None:
    async with reaper(manner, tidy=False) as children:
        child = spawn(children, "/bin/sleep", "60")
    try:
        assert is_alive(child.pid)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)  # noqa: ASYNC222
        child.close()


def test_codes_are_exact_for_a_supervisor_that_was_started_with_sigchld_ignored() -> None:
    command = [sys.executable, str(FIXTURES / "supervise.py"), "codes"]

    def ignore() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, preexec_fn=ignore
    )

    assert done.stdout.split() == [str(code) for code in range(20)], done.stderr

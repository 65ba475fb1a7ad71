"""The sockets of sd_notify, both ends, with real messages."""

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import trio
import trio.lowlevel
import trio.testing

from oxtrio.system.notify import BURST, MESSAGE_MAX, NotifySocket
from oxtrio.system.sd_notify import tell_manager

pytestmark = pytest.mark.slow

DEADLINE = 20.0
FIXTURES = Path(__file__).parents[1] / "fixtures"
NOBODY = 65534
SEND = """
import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
    sender.sendto(sys.argv[2].encode(), chr(0) + sys.argv[1][1:])
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
async def notify() -> AsyncIterator[NotifySocket]:
    with trio.fail_after(DEADLINE):
        heard = NotifySocket(uuid.uuid4().hex)
        yield heard
        heard.close()


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the fixture program for a socket; it is killed in the end."""
    started: list[subprocess.Popen[str]] = []

    def start(heard: NotifySocket, *words: str) -> "subprocess.Popen[str]":
        argv = [sys.executable, "-IS", str(FIXTURES / "notify.py"), *words]
        environ = {"NOTIFY_SOCKET": heard.address}
        started.append(subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def sender_to(heard: NotifySocket) -> socket.socket:
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    sender.connect("\0" + heard.address[1:])
    return sender


def tell(heard: NotifySocket, text: str, *prefix: str) -> None:
    subprocess.run(
        [*prefix, "/usr/bin/env", "python3", "-c", SEND, heard.address, text], check=True
    )


def as_user(uid: int) -> tuple[str, ...]:
    """In front of a command: root becomes *uid*, who may read where Python is all the same."""
    caps = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *caps)


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


async def test_a_message_comes_with_its_sender(notify: NotifySocket):
    assert notify.address.startswith("@oxtrio/notify/")
    with sender_to(notify) as sender:
        sender.send(b"READY=1")

    message = await notify.receive()

    assert message == (b"READY=1", os.getpid(), os.geteuid(), False)


async def test_messages_keep_their_order_and_empty_ones_do_no_harm(notify: NotifySocket):
    with sender_to(notify) as sender:
        for data in (b"one", b"", b"two"):
            sender.send(data)

    assert [(await notify.receive()).data for _ in range(3)] == [b"one", b"", b"two"]


async def test_what_is_too_long_is_dropped_whole(notify: NotifySocket):
    with sender_to(notify) as sender:
        sender.send(b"READY=1\n" + b"x" * MESSAGE_MAX)
        sender.send(b"x" * MESSAGE_MAX)

    assert (await notify.receive()).data == b"x" * MESSAGE_MAX


@needs_root
async def test_only_root_ourselves_and_the_user_of_the_run_are_heard():
    as_other, as_nobody = as_user(NOBODY - 1), as_user(NOBODY)
    plain = NotifySocket(uuid.uuid4().hex)
    own = NotifySocket(uuid.uuid4().hex, NOBODY)
    with trio.fail_after(DEADLINE):
        for heard in (plain, own):
            tell(heard, "from another", *as_other)
            tell(heard, "from nobody", *as_nobody)
            tell(heard, "from root")

        assert (await plain.receive()).data == b"from root"
        message = await own.receive()
        assert (message.data, message.uid) == (b"from nobody", NOBODY)
        assert (await own.receive()).data == b"from root"
    plain.close()
    own.close()


async def test_descriptors_that_come_along_are_closed_at_once(notify: NotifySocket):
    with sender_to(notify) as sender:
        before = descriptors()
        ours, theirs = os.pipe()
        socket.send_fds(sender, [b"FDSTORE=1"], [theirs] * 200)
        os.close(theirs)

        message = await notify.receive()

        assert (message.data, message.brought_descriptors) == (b"FDSTORE=1", True)
        assert message.pid == os.getpid()
        assert os.read(ours, 1) == b"", "nobody has the other end any more"
        os.close(ours)
        assert descriptors() == before


async def test_a_program_that_brings_descriptors_or_waits_for_an_answer_does_not_hang(
    notify: NotifySocket, start: Start
):
    words = ("--fdstore", "--barrier", "--ready-after", "0", "--status", "hi", "--main-pid")
    program = start(notify, *words)

    said = [await notify.receive() for _ in range(3)]

    assert [each.data.split(b"\n")[0] for each in said] == [b"FDSTORE=1", b"BARRIER=1", b"READY=1"]
    assert said[2].data == f"READY=1\nSTATUS=hi\nMAINPID={program.pid}".encode()
    assert {each.pid for each in said} == {program.pid}
    assert program.stdout is not None
    lines = [program.stdout.readline().strip() for _ in range(3)]
    assert lines == ["end of file", "barrier answered", "ready"]


async def test_a_flood_waits_with_its_sender_and_takes_no_time_from_others(
    notify: NotifySocket, start: Start
):
    start(notify, "--flood", "100000000")
    seen = 0
    others = 0

    async def count() -> None:
        nonlocal others
        while True:
            await trio.lowlevel.checkpoint()
            others += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        began = trio.current_time()
        while seen < 5 * BURST:
            assert (await notify.receive()).data.startswith(b"STATUS=")
            seen += 1
        nursery.cancel_scope.cancel()

    # Not how fast, but that it is held back: five bursts begin at least four pauses apart.
    assert trio.current_time() - began >= 0.4 * 0.9
    assert others > seen


async def test_cancelling_loses_no_message(notify: NotifySocket):
    with trio.move_on_after(0.01):
        await notify.receive()
    with sender_to(notify) as sender:
        sender.send(b"READY=1")

    with trio.CancelScope() as scope:
        scope.cancel()
        await notify.receive()

    assert (await notify.receive()).data == b"READY=1"


async def test_after_closing_nobody_listens_and_who_waits_is_told(notify: NotifySocket):
    async def wait_in_vain() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await notify.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_in_vain)
        await trio.testing.wait_all_tasks_blocked()
        notify.close()
    notify.close()

    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, pytest.raises(ConnectionRefusedError):
        sender.connect("\0" + notify.address[1:])


async def test_two_runs_cannot_have_one_address():
    name = uuid.uuid4().hex
    before = descriptors()
    first = NotifySocket(name)

    with pytest.raises(OSError, match="Address already in use"):
        NotifySocket(name)
    first.close()
    NotifySocket(name).close()

    assert descriptors() == before


async def test_a_child_does_not_inherit_it(notify: NotifySocket):
    assert not os.get_inheritable(notify._socket.fileno())


# The other end: what oxtrio says to the manager above.


@pytest.mark.parametrize("abstract", [True, False])
def test_the_manager_is_told(tmp_path: Path, abstract: bool):
    address = f"@oxtrio-test/{uuid.uuid4().hex}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address.replace("@", "\0", 1))

        assert tell_manager(address, "READY=1\nSTATUS=für alle")

        assert manager.recv(MESSAGE_MAX).decode() == "READY=1\nSTATUS=für alle"


def test_a_manager_without_room_is_not_waited_for(tmp_path: Path):
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        while tell_manager(address, "WATCHDOG=1"):
            pass

        manager.recv(MESSAGE_MAX)
        assert tell_manager(address, "READY=1")


@pytest.mark.parametrize(
    "address", ["", "@", "/", "/no/such/thing", "vsock:2:1234", "relative", "/" + "x" * 200]
)
def test_where_nobody_is_nothing_happens(address: str):
    before = descriptors()

    assert tell_manager(address, "READY=1")
    assert descriptors() == before

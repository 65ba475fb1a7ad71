"""The supervisor's end, with a keeper that says what the test says."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from oxtrio.errors import OxtrioError
from oxtrio.system import keeper_link
from oxtrio.system.keeper_link import KeeperLink, find_keeper
from oxtrio.system.keepsakes import NOTHING_KEPT, Keeper

pytestmark = pytest.mark.slow

MESSAGE = 65_536


class Scripted:
    """The keeper's end of the socket."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def say(self, *texts: str) -> None:
        for text in texts:
            self.end.send(text.encode())

    def have(self, name: str, content: str) -> None:
        reading, writing = os.pipe()
        os.write(writing, content.encode())
        os.close(writing)
        socket.send_fds(self.end, [f"have {name}".encode()], [reading])
        os.close(reading)

    def heard(self) -> list[str]:
        """All that was said by now, each with what is in the descriptor that came with it."""
        found: list[str] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                data, given, _, _ = socket.recv_fds(self.end, MESSAGE, 1)
                found.append(" ".join([data.decode(), *map(content_of, given)]))
        return found


def content_of(descriptor: int) -> str:
    try:
        return os.read(descriptor, 100).decode()
    finally:
        os.close(descriptor)


@pytest.fixture
def ends() -> Iterator[tuple[Scripted, socket.socket]]:
    keepers, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with keepers, ours:
        keepers.setblocking(False)
        yield Scripted(keepers), ours


@pytest.fixture
def keeper(ends: tuple[Scripted, socket.socket]) -> Scripted:
    return ends[0]


@pytest.fixture
def link(ends: tuple[Scripted, socket.socket]) -> Iterator[KeeperLink]:
    link = KeeperLink(ends[1])
    yield link
    for name in link.left():
        link.drop(name)
    link._lose()


@pytest.fixture
def pipe() -> Iterator[int]:
    reading, writing = os.pipe()
    os.write(writing, b"content")
    os.close(writing)
    yield reading
    os.close(reading)


def fill(link: KeeperLink) -> int:
    """Say something until there is no room; how often it was said."""
    said = 0
    while link._send("x" * 1000, None):
        said += 1
    return said


@pytest.mark.parametrize("nobody", [find_keeper({}), NOTHING_KEPT])
def test_where_there_is_no_keeper_nothing_is_kept(nobody: Keeper):
    assert nobody.take("a") is None
    assert (nobody.left(), nobody.pid, nobody.exits) == ((), None, {})


@pytest.mark.parametrize("number", ["", "x", "-1", "99999"])
def test_a_variable_that_names_nothing_is_no_keeper(number: str):
    environ = {"OXTRIO_KEEPER": number}

    assert find_keeper(environ).pid is None
    assert environ == {}


def test_a_variable_that_names_something_else_leaves_that_open(pipe: int):
    other, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with other, end:
        assert find_keeper({"OXTRIO_KEEPER": str(end.fileno())}).pid is None
        assert find_keeper({"OXTRIO_KEEPER": str(pipe)}).pid is None

        other.send(b"open")
        assert end.recv(10) == b"open"
    assert os.read(pipe, 100) == b"content"


def test_the_way_to_the_keeper_is_inherited_by_nobody(ends: tuple[Scripted, socket.socket]):
    number = os.dup(ends[1].fileno())
    os.set_inheritable(number, True)
    environ = {"OXTRIO_KEEPER": str(number), "PATH": "/bin"}

    found = find_keeper(environ)

    assert isinstance(found, KeeperLink)
    assert found.pid == os.getpid(), "of who has made the socket"
    assert environ == {"PATH": "/bin"}
    assert not os.get_inheritable(number)
    found._socket.close()


def test_what_the_keeper_has_can_be_taken_once(keeper: Scripted, link: KeeperLink):
    keeper.have("run/1/out", "one")
    keeper.have("two words", "two")
    keeper.have("unwanted", "")
    keeper.say("exit 12 256", "exit 13 9", "before 11 9", "a later keeper says more", "done")

    link.greet()

    assert keeper.heard() == ["here"]
    assert link.exits == {12: 256, 13: 9}
    assert link.before == (11, 9)
    assert link.left() == ("run/1/out", "two words", "unwanted")
    taken = link.take("two words")
    assert taken is not None
    assert not os.get_inheritable(taken)
    assert content_of(taken) == "two"
    assert link.take("two words") is None
    assert link.take("never there") is None
    link.drop("unwanted")
    assert link.left() == ("run/1/out",)
    assert keeper.heard() == ["drop unwanted"]


def test_a_keeper_that_is_gone_has_nothing(keeper: Scripted, link: KeeperLink):
    keeper.end.close()

    link.greet()

    assert (link.pid, link.left(), link.exits) == (None, (), {})


def test_a_keeper_that_says_nothing_is_an_error(
    keeper: Scripted, link: KeeperLink, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keeper_link, "PATIENCE", 0.01)

    with pytest.raises(OxtrioError, match="does not answer"):
        link.greet()


def test_what_is_kept_is_a_copy(keeper: Scripted, link: KeeperLink, pipe: int):
    link.keep("run/1/out", pipe)
    link.drop("run/2/out")
    link.ready()
    link.bye()

    assert keeper.heard() == ["keep run/1/out content", "drop run/2/out", "ready", "bye"]
    os.fstat(pipe)


def test_what_there_is_no_room_for_is_said_later_and_in_order(
    keeper: Scripted, link: KeeperLink, pipe: int
):
    filled = fill(link)
    link.keep("a", pipe)
    link.keep("b", pipe)
    link.keep("c", pipe)
    link.drop("b")
    link.ready()
    assert len(keeper.heard()) == filled

    link.drop("d")

    assert keeper.heard() == ["keep a content", "keep c ", "drop b", "ready", "drop d"]


def test_what_waits_for_room_survives_that_its_owner_closes_it(keeper: Scripted, link: KeeperLink):
    fill(link)
    reading, writing = os.pipe()
    os.write(writing, b"mine")
    os.close(writing)

    link.keep("a", reading)
    os.close(reading)
    keeper.heard()
    link.ready()

    assert keeper.heard() == ["keep a mine", "ready"]


def test_what_cannot_be_kept_is_no_error(
    keeper: Scripted, link: KeeperLink, pipe: int, monkeypatch: pytest.MonkeyPatch
):
    link.keep("no descriptor", 99_999)
    link.keep("a name that is too long" * 100_000, pipe)
    assert keeper.heard() == []

    def no_more(*_: object) -> int:
        raise OSError(errno.EMFILE, "none is free")

    fill(link)
    with monkeypatch.context() as patched:
        patched.setattr(keeper_link.fcntl, "fcntl", no_more)
        link.keep("a", pipe)
    keeper.heard()
    link.ready()

    assert keeper.heard() == ["drop a", "ready"], "an older one would be a wrong one"


async def test_what_waits_is_said_as_soon_as_there_is_room(
    keeper: Scripted, link: KeeperLink, pipe: int
):
    fill(link)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.watch, lambda pid, status: None)
        await trio.testing.wait_all_tasks_blocked()
        link.keep("a", pipe)
        keeper.heard()
        with trio.fail_after(30):
            await trio.lowlevel.wait_readable(keeper.end)
        assert keeper.heard() == ["keep a content"]
        nursery.cancel_scope.cancel()


async def test_exits_are_told_as_they_happen_until_the_keeper_is_gone(
    keeper: Scripted, link: KeeperLink
):
    told: list[tuple[int, int]] = []
    keeper.say("done", "exit 1 2")
    link.greet()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.watch, lambda *exit: told.append(exit))
        await trio.testing.wait_all_tasks_blocked()
        keeper.have("late", "what nobody has asked for")
        keeper.say("exit 3 4", "something new")
        await trio.testing.wait_all_tasks_blocked(0.01)

        keeper.end.close()

    assert told == [(1, 2), (3, 4)]
    assert link.exits == {}
    assert link.pid is None


async def test_without_the_keeper_everything_goes_on(keeper: Scripted, link: KeeperLink, pipe: int):
    keeper.have("a", "mine")
    keeper.say("done")
    link.greet()
    fill(link)
    link.keep("b", pipe)
    keeper.end.close()

    link.keep("c", pipe)
    link.drop("b")
    link.ready()
    link.bye()

    with trio.fail_after(30):
        await link.watch(lambda pid, status: None)
        await link.wait_dropped()
    taken = link.take("a")
    assert taken is not None
    assert content_of(taken) == "mine"


async def test_who_waits_for_what_was_dropped_waits_for_the_keeper(
    keeper: Scripted, link: KeeperLink
):
    fill(link)
    done = trio.Event()

    async def wait() -> None:
        await link.wait_dropped()
        done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.watch, lambda pid, status: None)
        link.drop("a")
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        keeper.heard()
        heard: list[str] = []
        with trio.fail_after(30):
            while len(heard) < 2:
                await trio.lowlevel.wait_readable(keeper.end)
                heard += keeper.heard()
        assert heard == ["drop a", "ping 1"]
        assert not done.is_set()

        keeper.say("pong 1")

        with trio.fail_after(30):
            await done.wait()
        nursery.cancel_scope.cancel()


async def test_the_end_of_the_keeper_is_the_end_of_waiting_for_it(
    keeper: Scripted, link: KeeperLink
):
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.wait_dropped)
            nursery.start_soon(link.watch, lambda pid, status: None)
            await trio.testing.wait_all_tasks_blocked()

            keeper.end.close()


def test_what_a_dead_keeper_had_goes_to_the_program_that_takes_our_place(
    keeper: Scripted, link: KeeperLink, pipe: int
):
    keeper.have("left", "its content")
    keeper.have("taken", "its content")
    keeper.say("done")
    link.greet()
    taken = link.take("taken")
    link.keep("ours", pipe)
    link.keep("dropped", pipe)
    link.drop("dropped")
    keeper.end.close()
    link.ready()

    handed = link.hand_on()

    assert set(handed) == {"keep/left", "keep/taken", "keep/ours"}
    assert (handed["keep/taken"], handed["keep/ours"]) == (taken, pipe)
    assert taken is not None
    os.close(taken)

"""A path that leads to one socket at a time."""

import grp
import os
import pwd
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from oxtrio.errors import AddressTaken, OxtrioError, Refused
from oxtrio.model.spec import ListenSpec
from oxtrio.system import socket_files
from oxtrio.system.groups import open_group
from oxtrio.system.handover import KEPT, Carrier
from oxtrio.system.unix_group import UnixGroup
from tests.system.clients import (
    PATIENCE,
    accept,
    arrived,
    at_path,
    connect,
    sockets_stay_as_they_are,
)

__all__ = ["sockets_stay_as_they_are"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder, which must be empty again at the end."""
    path = tmp_path / "sockets"
    path.mkdir()
    yield path
    assert os.listdir(path) == []


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o177])
@pytest.mark.parametrize("mode", [0o660, 0o600, 0o777])
async def test_a_socket_has_its_mode_whatever_the_umask(folder: Path, mask: int, mode: int):
    before = os.umask(mask)
    try:
        group = UnixGroup(at_path(folder, mode=mode))
    finally:
        os.umask(before)

    assert stat.S_IMODE(os.stat(group.path).st_mode) == mode
    group.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("by_name", [True, False])
async def test_a_socket_is_given_to_its_owner(folder: Path, by_name: bool):
    user, team = pwd.getpwuid(65534), grp.getgrgid(65534)
    owner, group_name = (user.pw_name, team.gr_name) if by_name else ("65534", "65534")

    group = UnixGroup(at_path(folder, owner=owner, group=group_name))

    found = os.stat(group.path)
    assert (found.st_uid, found.st_gid) == (65534, 65534)
    assert stat.S_IMODE(found.st_mode) == 0o660
    group.close()


@pytest.mark.parametrize("who", ["owner", "group"])
async def test_an_owner_who_does_not_exist_is_named(folder: Path, who: str):
    with pytest.raises(OxtrioError, match=r"^cannot hold unix:/.*: no such \w+: 'nobody-here'"):
        await open_group(at_path(folder, **{who: "nobody-here"}), steered=True)


async def test_an_owner_who_is_not_allowed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket_files.shutil, "chown", refuse)

    with pytest.raises(Refused, match="only root may give it to 'root www'"):
        await open_group(at_path(folder, owner="root", group="www"), steered=True)


async def test_a_stale_file_is_replaced(folder: Path):
    listen = at_path(folder)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(listen.path or "")

    group = await open_group(listen, steered=False)

    connect(listen).close()
    group.close()


async def test_what_a_killed_supervisor_left_beside_is_swept_away(folder: Path):
    listen = at_path(folder)
    left, other, alive = (folder / name for name in (".app.sock.0123abcd", ".app.sock", "app"))
    for path in (left, alive):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
    other.touch()

    (await open_group(listen, steered=False)).close()

    assert sorted(os.listdir(folder)) == [".app.sock", "app"]
    other.unlink()
    alive.unlink()


async def test_what_is_no_socket_is_left_alone(tmp_path: Path):
    listen = at_path(tmp_path)
    tmp_path.joinpath("app.sock").touch()

    with pytest.raises(OxtrioError, match="there is something that is no socket") as caught:
        await open_group(listen, steered=True)

    assert caught.value.hint == f"move it away: mv {listen.path} {listen.path}.old"
    assert os.listdir(tmp_path) == ["app.sock"]


async def test_a_folder_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(OxtrioError, match="its folder does not exist") as caught:
        await open_group(at_path(tmp_path / "no"), steered=True)

    assert caught.value.hint == f"mkdir -p {tmp_path}/no"


@pytest.mark.parametrize("kind", ["full", "datagram"])
async def test_a_socket_that_does_not_answer_is_taken(tmp_path: Path, kind: str):
    listen = at_path(tmp_path)
    manner = socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM
    with socket.socket(socket.AF_UNIX, manner) as stranger, socket.socket(socket.AF_UNIX) as first:
        stranger.bind(listen.path or "")
        if kind == "full":
            stranger.listen(0)
            first.connect(listen.path or "")

        with pytest.raises(AddressTaken, match="the address is in use"):
            await open_group(listen, steered=True)


async def test_a_path_that_nobody_lets_us_see_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied")

    listen = at_path(tmp_path)
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(listen.path or "")
        monkeypatch.setattr(socket_files, "connect", refuse)

        with pytest.raises(Refused, match="permission denied") as caught:
            await open_group(listen, steered=True)

    assert caught.value.hint == f"ls -ld {tmp_path} {listen.path}"


async def test_the_path_leads_to_who_serves_and_each_is_reached_beside_it(folder: Path):
    group = UnixGroup(at_path(folder))
    old, new = group.take(), group.take()
    for serving in (old, new, old, old, new):
        group.serve([serving])
        with connect(group.listen):
            assert arrived([old, new]) == [[old, new].index(serving)]
            accept(serving).close()
        for slot in (old, new):
            async with await slot.connect():
                accept(slot).close()
    group.close()


async def test_a_slot_that_is_released_is_gone(folder: Path):
    group = UnixGroup(at_path(folder))
    old, new = group.take(), group.take()
    with connect(group.listen) as waiting:
        group.serve([new])
        old.release()
        old.release()
        assert waiting.recv(1) == b""

    assert old.fileno() == -1
    assert not old.is_waiting()
    assert group.take() not in (old, new)
    connect(group.listen).close()
    group.close()


async def test_files_have_one_name_where_the_system_has_no_links(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    group = UnixGroup(at_path(folder))
    old = group.take()
    async with await old.connect():
        accept(old).close()
    group.serve([group.take()])
    with pytest.raises(ConnectionRefusedError, match="moved on"):
        await old.connect()
    group.close()


async def test_a_path_that_others_have_taken_over_is_left_to_them(tmp_path: Path):
    group = UnixGroup(at_path(tmp_path))
    os.unlink(group.path)
    tmp_path.joinpath("app.sock").touch()

    group.close()

    assert os.listdir(tmp_path) == ["app.sock"]


@pytest.mark.parametrize("length", [107, 108, 300])
async def test_a_path_of_any_length_is_held(tmp_path: Path, length: int):
    folder = tmp_path
    while len(str(folder)) < length - 60:
        folder /= "f" * 40
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    path = str(folder / "s").ljust(length, "s")
    group = UnixGroup(ListenSpec(path=path))
    slot = group.take()

    for served in (slot, group.take()):
        group.serve([served])
        async with await served.connect():
            accept(served).close()
        socket_files.connect(path).close()

    group.close()
    assert os.listdir(folder) == []


async def test_a_full_queue_is_waited_for_until_there_is_room(folder: Path):
    group = UnixGroup(at_path(folder, backlog=0))
    slot = group.take()
    first = await slot.connect()
    with trio.move_on_after(0.3) as waiting:
        await slot.connect()
    assert waiting.cancelled_caught

    async with trio.open_nursery() as nursery:

        async def connect_again() -> None:
            with trio.fail_after(PATIENCE):
                await (await slot.connect()).aclose()

        nursery.start_soon(connect_again)
        await trio.testing.wait_all_tasks_blocked()
        accept(slot).close()
    await first.aclose()
    group.close()


async def test_a_failure_to_serve_leaves_nothing_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "rename", refuse)

    with pytest.raises(Refused):
        await open_group(at_path(folder), steered=True)


async def test_a_name_that_was_replaced_before_it_was_given_away_is_not_touched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    precious = folder.parent / "precious"
    precious.touch(mode=0o600)  # noqa: ASYNC240

    def bound(name: str, listen: object) -> object:
        os.unlink(name)
        os.symlink(precious, name)
        return hand_over(name, listen)

    hand_over = socket_files._hand_to_owner
    monkeypatch.setattr(socket_files, "_hand_to_owner", bound)

    with pytest.raises(OxtrioError, match="somebody else has replaced it"):
        await open_group(at_path(folder, mode=0o666), steered=True)

    assert stat.S_IMODE(os.stat(precious).st_mode) == 0o600


async def test_the_next_supervisor_goes_on_with_the_sockets_that_were_kept(folder: Path):
    listen, kept = at_path(folder), Carrier()
    before = UnixGroup(listen, kept)
    first, second = before.take(), before.take()
    before.serve([second])
    client = connect(listen)
    left = {name.removeprefix(KEPT): os.dup(each) for name, each in kept.hand_on().items()}
    for slot in (first, second):
        slot.socket.close()  # the supervisor has died

    after = UnixGroup(listen, Carrier(left))

    assert after.take_at(7) is None
    again = after.take_at(second.place)
    assert again is not None
    with client, accept(again):
        pass
    rest = after.take()
    assert rest.place == first.place
    after.serve([rest])
    with connect(listen), accept(rest):
        pass
    after.close()


async def test_a_socket_whose_name_is_gone_is_not_gone_on_with(folder: Path):
    listen, kept = at_path(folder), Carrier()
    before = UnixGroup(listen, kept)
    left = {name.removeprefix(KEPT): os.dup(each) for name, each in kept.hand_on().items()}
    before.close()

    after = UnixGroup(listen, Carrier(left))

    with connect(listen):
        pass
    after.close()


async def test_a_connection_is_accepted_whoever_waits_behind_it(folder: Path):
    listen = at_path(folder)
    group = UnixGroup(listen)
    slot = group.take()
    stream = await slot.connect()
    with connect(listen), accept(slot):
        with trio.fail_after(PATIENCE):
            await slot.wait_accepted(stream, lambda: ())
        assert slot.is_waiting(), "somebody is still in the queue"
    await stream.aclose()
    group.close()


async def test_who_was_accepted_and_hung_up_on_was_accepted(folder: Path):
    listen = at_path(folder)
    group = UnixGroup(listen)
    slot = group.take()
    stream = await slot.connect()
    accept(slot).close()

    with trio.fail_after(PATIENCE):
        await slot.wait_accepted(stream, lambda: ())

    await stream.aclose()
    group.close()

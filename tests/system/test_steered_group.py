"""Sockets of one address, each of which gets just what is meant for it."""

import os
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from oxtrio.model.spec import ListenSpec
from oxtrio.system import steering
from oxtrio.system.net_tables import endpoint_of
from oxtrio.system.steered_group import SteeredGroup
from tests.system.clients import (
    PATIENCE,
    Child,
    Load,
    Server,
    accept,
    arrived,
    connect,
    sockets_stay_as_they_are,
    tcp,
)

__all__ = ["sockets_stay_as_they_are"]


@asynccontextmanager
async def held(host: str = "127.0.0.1", **more: object) -> AsyncIterator[SteeredGroup]:
    group = SteeredGroup(tcp(host, **more))
    try:
        yield group
    finally:
        group.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_connections_go_round_all_that_serve_and_only_those(host: str):
    async with held(host) as group:
        slots = [group.take() for _ in range(5)]
        group.serve([slots[4], slots[1], slots[2]])

        got: Counter[int] = Counter()
        for _ in range(150):
            with connect(group.listen):
                (number,) = arrived(slots)
                got[number] += 1
                accept(slots[number]).close()

    # By chance: that one of three gets fewer than 15 of 150 happens once in a million million.
    assert set(got) == {1, 2, 4}
    assert min(got.values()) >= 15


async def test_before_anybody_serves_the_first_slot_gets_all():
    async with held() as group:
        slots = [group.take() for _ in range(3)]
        for _ in range(20):
            with connect(group.listen):
                assert arrived(slots) == [0]
                accept(slots[0]).close()


CLIENTS = [
    ("127.0.0.1", False, "127.0.0.1"),
    ("0.0.0.0", False, "127.0.0.1"),
    ("::1", False, "::1"),
    ("::", False, "::1"),
    ("::", True, "::1"),
    ("::", True, "127.0.0.1"),
]


@pytest.mark.parametrize(("host", "dual_stack", "client"), CLIENTS)
async def test_an_aim_meets_by_every_way_to_the_address(
    host: str, dual_stack: bool, client: str, monkeypatch: pytest.MonkeyPatch
):
    async with held(host, dual_stack=dual_stack) as group:
        monkeypatch.setattr("oxtrio.system.tcp_sockets.LOOPBACK", {host: client})
        slots = [group.take() for _ in range(3)]
        group.serve([slots[0]])

        async with await slots[2].connect() as stream:
            assert stream.socket.getpeername()[0] == client
            assert arrived(slots) == [2]
            accept(slots[2]).close()
        with connect(group.listen, client):
            assert arrived(slots) == [0]


async def test_where_ipv6_is_switched_off_the_ipv4_loopback_is_used(
    monkeypatch: pytest.MonkeyPatch,
):
    # An address of the documentation, which no machine has, in the place of ::1.
    monkeypatch.setattr("oxtrio.system.tcp_sockets.LOOPBACK", {"::": "2001:db8::1"})
    async with held("::", dual_stack=True) as group, await group.take().connect() as stream:
        assert stream.socket.getpeername()[0] == "127.0.0.1"
    async with held("::") as group:
        with pytest.raises(OSError, match="Cannot assign requested address"):
            await group.take().connect()


async def test_many_aims_at_once_meet():
    async with held() as group:
        slots = [group.take() for _ in range(8)]
        group.serve(slots[:1])
        streams: list[trio.SocketStream] = []

        async def aim(number: int) -> None:
            streams.append(await slots[number].connect())

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                for number in list(range(1, 8)) * 10:
                    nursery.start_soon(aim, number)

        for slot in slots[1:]:
            for _ in range(10):
                accept(slot).close()
        assert not any(slot.is_waiting() for slot in slots)
        for stream in streams:
            await stream.aclose()


async def test_a_stranger_with_the_same_port_at_another_address_is_not_aimed_at():
    async with held("0.0.0.0") as group:
        slots = [group.take(), group.take()]
        group.serve(slots[:1])
        with socket.socket() as ours, socket.socket() as stranger:
            ours.bind(("127.0.0.1", 0))
            stranger.bind(("127.0.0.9", ours.getsockname()[1]))
            with group.aimed(endpoint_of(ours.getsockname()), 1):
                stranger.connect(("127.0.0.1", group.listen.port))
                assert arrived(slots) == [0]
                ours.connect(("127.0.0.1", group.listen.port))
                with accept(slots[1]) as connection:
                    assert connection.getpeername() == ours.getsockname()


@asynccontextmanager
async def full_queue() -> AsyncIterator[SteeredGroup]:
    """Two slots, of which the second takes no more connections."""
    async with held(backlog=0) as group:
        served, full = group.take(), group.take()
        group.serve([served])
        async with await full.connect():
            yield group


async def test_a_connection_that_is_cancelled_takes_its_aim_with_it():
    async with full_queue() as group:
        served, full = group._slots
        async with trio.open_nursery() as nursery:
            nursery.start_soon(full.connect)
            await trio.testing.wait_all_tasks_blocked()
            ((host, port),) = group._aims
            nursery.cancel_scope.cancel()

        with socket.socket() as next_user:
            next_user.bind((host, port))
            next_user.connect((group.listen.host, group.listen.port))
            with accept(served) as connection:
                assert connection.getpeername() == (host, port)


async def test_a_full_queue_is_waited_for_until_the_caller_gives_up():
    async with full_queue() as group:
        with trio.move_on_after(0.2) as waiting:
            await group._slots[1].connect()
        assert waiting.cancelled_caught


@pytest.mark.slow
async def test_a_connection_is_made_when_the_queue_has_room_again():
    async with full_queue() as group:
        served, full = group._slots
        streams: list[trio.SocketStream] = []

        async def connect_to_full() -> None:
            streams.append(await full.connect())

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(connect_to_full)
                await trio.testing.wait_all_tasks_blocked()
                accept(full).close()
        assert arrived([served, full]) == [1]
        await streams[0].aclose()


async def test_a_client_of_a_group_that_goes_is_told():
    async with full_queue() as group:
        with trio.fail_after(PATIENCE):
            async with await group._slots[0].connect() as stream:
                group._slots[0].release()
                with pytest.raises(ConnectionResetError):
                    await group._slots[0].wait_accepted(stream, list)


async def test_a_connection_that_was_accepted_and_closed_was_accepted():
    async with held() as group:
        slot = group.take()
        async with await slot.connect() as stream:
            accept(slot).close()
            with trio.fail_after(PATIENCE):
                await slot.wait_accepted(stream, list)


@pytest.mark.slow
async def test_the_death_of_who_inherited_a_socket_moves_nothing():
    async with held() as group:
        slots = [group.take() for _ in range(4)]
        with Child(slots[0].fileno()), Child(slots[3].fileno()):
            group.serve([slots[2]])
        for number in range(4):
            group.serve([slots[number]])
            with connect(group.listen):
                assert arrived(slots) == [number]
                accept(slots[number]).close()


async def test_a_slot_is_reset_and_taken_again():
    async with held() as group:
        first, second = group.take(), group.take()
        group.serve([second])
        with connect(group.listen) as waiting, connect(group.listen) as another:
            group.serve([first])
            os.set_blocking(second.fileno(), False)  # as its server has made it
            second.release()
            second.release()
            for client in (waiting, another):
                with pytest.raises(ConnectionResetError):
                    client.recv(1)

        assert not second.is_waiting()
        assert group.take() is second
        assert os.get_blocking(second.fileno())
        assert group.take() not in (first, second)


async def test_a_reset_ends_where_descriptors_do(monkeypatch: pytest.MonkeyPatch):
    async with held() as group:
        slot = group.take()
        with connect(group.listen):

            def accept_none(listener: socket.socket) -> None:
                raise OSError(24, "Too many open files")

            with monkeypatch.context() as patch:
                patch.setattr(socket.socket, "accept", accept_none)
                slot.release()
            assert slot.is_waiting()
            assert os.get_blocking(slot.fileno())


async def test_a_handshake_under_way_is_waited_for():
    async with held() as group:
        old, new = group.take(), group.take()
        # The handshake is not over before the client has sent something.
        old.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
        with connect(group.listen) as slow:
            group.serve([new])
            with trio.move_on_after(0.3) as waiting:
                await old.wait_drained()
            assert waiting.cancelled_caught
            assert not old.is_waiting()

            slow.sendall(b"?")
            with accept(old) as connection, trio.fail_after(PATIENCE):
                assert connection.recv(1) == b"?"
                await old.wait_drained()


async def test_who_waits_in_the_queue_is_waited_for():
    async with held() as group:
        old, new = group.take(), group.take()
        with connect(group.listen):
            group.serve([new])
            with trio.move_on_after(0.3) as waiting:
                await old.wait_drained()
            assert waiting.cancelled_caught

            accept(old).close()
            with connect(group.listen), trio.fail_after(PATIENCE):
                await old.wait_drained()
            assert new.is_waiting()


async def test_somebody_who_joins_later_gets_nothing_and_stops_the_growth():
    async with held() as group:
        first = group.take()
        with socket.socket() as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            stranger.bind((group.listen.host, group.listen.port))
            stranger.listen()
            for _ in range(10):
                with connect(group.listen):
                    accept(first).close()

            with pytest.raises(OSError, match="somebody else shares"):
                group.take()

        second = group.take()
        group.serve([second])
        with connect(group.listen):
            assert arrived([first, second]) == [1]


async def test_a_program_that_the_kernel_refuses_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    async with held() as group:
        first, second = group.take(), group.take()

        def refuse(*args: object) -> None:
            raise OSError(12, "Cannot allocate memory")

        with monkeypatch.context() as patch:
            patch.setattr(steering, "attach", refuse)
            with pytest.raises(OSError, match="Cannot allocate"):
                group.serve([second])
            with pytest.raises(OSError, match="Cannot allocate"):
                await second.connect()
            with pytest.raises(OSError, match="Cannot allocate"):
                SteeredGroup(tcp())

        async with await second.connect():
            accept(second).close()
        with connect(group.listen):
            assert arrived([first, second]) == [0]


async def test_what_is_inherited_serves_on_after_the_group():
    async with held() as group:
        slots = [group.take() for _ in range(3)]
        group.serve([slots[1]])
        left = socket.socket(fileno=os.dup(slots[2].fileno()))
    with left, connect(group.listen):
        assert arrived([left_over(left)]) == [0]


class left_over:  # noqa: N801
    """A socket as a slot."""

    def __init__(self, listener: socket.socket) -> None:
        self.fileno = listener.fileno

    def is_waiting(self) -> bool:
        return True


async def test_an_ipv4_address_written_as_ipv6_is_held():
    port = tcp().port
    group = SteeredGroup(ListenSpec(host="::ffff:127.0.0.1", port=port))
    try:
        slots = [group.take(), group.take()]
        async with await slots[1].connect():
            assert arrived(slots) == [1]
    finally:
        group.close()


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_no_connection_is_lost_while_slots_take_turns(host: str):
    async with held(host) as group:
        slots = [group.take() for _ in range(3)]
        servers = [Server(slot, b"%d" % slot.place) for slot in slots]
        with servers[0], servers[1], servers[2], Load(group.listen) as load:
            for turn in range(200):
                group.serve([slots[turn % 3], slots[turn % 2]])
                aim = (turn + 1) % 3
                with trio.fail_after(PATIENCE):
                    async with await slots[aim].connect() as stream:
                        await stream.send_all(b"?")
                        assert await stream.receive_some() == b"%d" % aim
            await trio.to_thread.run_sync(load.wait_for, 200)

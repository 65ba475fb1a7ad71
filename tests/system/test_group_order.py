"""In which order the kernel counts sockets, seen from outside, and without anybody noticing."""

import random
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from oxtrio.model.spec import ListenSpec
from oxtrio.system import group_order, steering
from oxtrio.system.group_order import in_order
from oxtrio.system.net_tables import endpoint_of
from oxtrio.system.tcp_sockets import bound_client, is_readable, open_listener
from tests.system.clients import PATIENCE, connect, sockets_stay_as_they_are, tcp

__all__ = ["sockets_stay_as_they_are"]

HOSTS = ["127.0.0.1", "0.0.0.0", "::1", "::"]


@contextmanager
def a_group(listen: ListenSpec, count: int) -> Iterator[list[socket.socket]]:
    members = [open_listener(listen, grouped=True) for _ in range(count)]
    try:
        yield members
    finally:
        for member in members:
            member.close()


def reached(place: int, members: list[socket.socket], listen: ListenSpec) -> socket.socket:
    """Who gets a connection that is sent to *place*."""
    client, address = bound_client(listen)
    with client:
        client.settimeout(PATIENCE)
        aim = {endpoint_of(client.getsockname()): place}
        steering.attach(members[0], steering.program((0,), aim))
        client.connect(address)
        ready, _, _ = select.select(members, [], [], PATIENCE)
        [found] = ready
        found.accept()[0].close()
    return found


@pytest.mark.parametrize("host", HOSTS)
def test_it_is_the_order_of_the_kernel_whoever_was_closed(host: str):
    listen = tcp(host, dual_stack=host == "::")
    with a_group(listen, 9) as members:
        for number in (6, 3, 0):  # the last one takes the place of each
            members.pop(number).close()
        random.shuffle(members)

        found = in_order(members, listen)

        assert sorted(map(id, found)) == sorted(map(id, members))
        for place, member in enumerate(found):
            assert reached(place, members, listen) is member


def test_who_serves_the_address_sees_nobody_and_is_left_as_it_was():
    listen = tcp()
    with a_group(listen, 3) as members:
        members[1].setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1200)
        members[2].setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 3)
        before = [options(member) for member in members]

        in_order(members, listen)

        assert not any(map(is_readable, members))
        assert [options(member) for member in members] == before
        with connect(listen) as client:
            client.sendall(b"?")
            ready, _, _ = select.select(members, [], [], PATIENCE)
            assert len(ready) == 1


def options(member: socket.socket) -> tuple[int, int]:
    names = (socket.TCP_MAXSEG, socket.TCP_DEFER_ACCEPT)
    size, deferred = (member.getsockopt(socket.IPPROTO_TCP, name) for name in names)
    return size, deferred


def test_alone_there_is_only_one_order():
    listen = tcp()
    with a_group(listen, 1) as members:
        assert in_order(members, listen) == members


def test_where_one_is_missing_it_is_refused():
    """Then whoever stands at some place is none of them."""
    listen = tcp()
    with a_group(listen, 3) as members, pytest.raises(OSError, match="told apart"):
        in_order(members[1:], listen)


def test_where_no_client_gets_in_it_is_refused_and_nothing_hangs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(group_order, "PATIENCE", 0.05)
    listen = tcp(backlog=0)
    clients = []
    with a_group(listen, 2) as members:
        steering.attach(members[0], steering.program((0,), {}))
        try:
            for _ in range(4):  # the queue of the first is full
                client, address = bound_client(listen)
                clients.append(client)
                client.connect_ex(address)
            with pytest.raises(OSError):  # noqa: PT011 - a deadline, whatever its words
                in_order(members, listen)
        finally:
            for client in clients:
                client.close()


def test_more_than_can_be_told_apart_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(group_order, "MOST", 2)
    listen = tcp()
    with a_group(listen, 3) as members, pytest.raises(OSError, match="too many"):
        in_order(members, listen)

"""In which order the kernel counts the sockets of a SO_REUSEPORT group.

It moves the last one into the place of one that is closed, so that nobody knows any more after
sockets have been closed by others. It can be seen: each member is given a segment size of its own
(TCP_MAXSEG), which a client learns with the first packet that comes back, and a program that
sends clients to one place after the other (`steering.py`) says where each of them stands. Who
serves the address notices nothing: with TCP_DEFER_ACCEPT a connection on which nothing is said
never gets as far as to be accepted. (A real client that lets the server speak first, and comes in
just these 100 µs, is accepted a second later, when the kernel asks it again.)
"""

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from oxtrio.model.spec import ListenSpec
from oxtrio.system import steering
from oxtrio.system.net_tables import endpoint_of
from oxtrio.system.tcp_sockets import RESET, bound_client

LARGEST = 32_000
"""Bytes. More than any packet between machines has, so that it changes nothing for others, and
less than TCP_MAXSEG may be at most (32767)."""
STEP = 64
"""Bytes. What TCP options take from a segment is less."""
MOST = 256
"""Sizes down to what packets of a real network may have."""
UNSET = 536
"""What a listening socket without TCP_MAXSEG says."""
PATIENCE = 0.25
"""Seconds for a connection to ourselves."""


def in_order(members: Sequence[socket.socket], listen: ListenSpec) -> list[socket.socket]:
    """*members*, which are all sockets of the group at *listen*, as the kernel counts them.

    Afterwards new connections go to all of them by chance. Raises `OSError` where it cannot be
    seen: no room in a queue, or a loopback interface with small packets. Blocks for about 100 µs
    a member.
    """
    if len(members) < 2:
        return list(members)
    if len(members) > MOST:
        raise OSError(errno.E2BIG, "too many sockets share the address")
    everybody = range(len(members))
    with ExitStack() as told_apart:
        for number, member in enumerate(members):
            told_apart.enter_context(_marked(member, LARGEST - number * STEP))
        found = [_number_at(place, members, listen) for place in everybody]
    steering.attach(members[0], steering.program(everybody, {}))
    if sorted(found) != list(everybody):
        raise OSError(errno.EPROTO, "the sockets of the address cannot be told apart")
    return [members[number] for number in found]


@contextmanager
def _marked(member: socket.socket, size: int) -> Iterator[None]:
    """Inside, clients are told *size*, and nobody accepts who has said nothing yet."""
    own = member.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    deferred = member.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT)
    try:
        member.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, max(deferred, 1))
        member.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, size)
        yield
    finally:
        member.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 0 if own == UNSET else own)
        member.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, deferred)


def _number_at(place: int, members: Sequence[socket.socket], listen: ListenSpec) -> int:
    """Which of *members* stands at *place*, by its size."""
    client, address = bound_client(listen)
    with client:
        client.settimeout(PATIENCE)
        aim = {endpoint_of(client.getsockname()): place}
        steering.attach(members[0], steering.program(range(len(members)), aim))
        client.connect(address)
        size = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return (LARGEST - size) // STEP

"""TCP sockets as they are held: one that listens, and a client beside it."""

import errno
import ipaddress
import select
import socket
import struct
from contextlib import suppress
from typing import Protocol

from oxtrio.model.spec import ListenSpec

LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to be compared with
MOST_WAITING = 65_536
"""More than any queue holds: `net.core.somaxconn` has 16 bits."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of a connection that is to end with RST, and without TIME_WAIT."""

Resolved = tuple[socket.AddressFamily, tuple[object, ...]]


def open_listener(listen: ListenSpec, *, grouped: bool) -> socket.socket:
    """A socket that listens on *listen*; *grouped*: as one of a SO_REUSEPORT group.

    Raises `OSError`. It is blocking, as systemd hands sockets over: servers set what they
    need, and whatever they set holds for every copy. With TCP_NODELAY, which accepted sockets
    inherit: uvicorn takes an inherited socket for a Unix one and does not set it, which costs
    40 ms per answer.
    """
    sock = _bound(listen, grouped=grouped)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.listen(listen.backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def check_unused(listen: ListenSpec) -> None:
    """Raise `OSError` (EADDRINUSE) if anybody listens there, a SO_REUSEPORT group too.

    Such a group of the same user would let us in, without an error.
    """
    _bound(listen, grouped=False).close()


def _bound(listen: ListenSpec, *, grouped: bool) -> socket.socket:
    family, address = _resolved(listen.host, listen.port)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        # What the last listener has left behind (TIME_WAIT, open connections) is not in the way.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if grouped:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not listen.dual_stack)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def bound_client(listen: ListenSpec) -> tuple[socket.socket, tuple[object, ...]]:
    """A socket with a port of its own that can connect to *listen*, and the address to name.

    Raises `OSError`. It connects from the address to which it connects.
    """
    host = LOOPBACK.get(listen.host, listen.host)
    try:
        return _client(host, listen.port)
    except OSError as error:
        if not listen.dual_stack or error.errno != errno.EADDRNOTAVAIL:
            raise
    # IPv6 is there, but switched off for the loopback interface.
    return _client("127.0.0.1", listen.port)


def _client(host: str, port: int) -> tuple[socket.socket, tuple[object, ...]]:
    family, own = _resolved(host, 0)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.bind(own)
    except BaseException:
        sock.close()
        raise
    return sock, _resolved(host, port)[1]


def _resolved(host: str, port: int) -> Resolved:
    number = ipaddress.ip_address(host)
    mapped = number.ipv4_mapped if number.version == 6 else None
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV  # never a name server
    found = socket.getaddrinfo(str(mapped or host), port, type=socket.SOCK_STREAM, flags=flags)
    family, _, _, _, address = found[0]
    return family, address


class HasDescriptor(Protocol):
    """A socket, be it Trio's or the standard library's."""

    def fileno(self) -> int: ...


def is_readable(sock: HasDescriptor) -> bool:
    """Whether something waits at *sock*: a connection, data, the end. A closed one: no."""
    if sock.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def reset_queue(listener: socket.socket, most: int) -> None:
    """Reset what waits to be accepted, *most* connections at most, without ever blocking.

    Afterwards the socket is blocking, whatever its last user had made of it. Without a free
    descriptor, what is left waits on for the next who accepts here.
    """
    listener.setblocking(False)  # another copy may be faster: never block in accept
    try:
        for _ in range(most):
            with suppress(ConnectionAbortedError), listener.accept()[0] as waiting:
                waiting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EMFILE, errno.ENFILE):
            raise
    finally:
        listener.setblocking(True)

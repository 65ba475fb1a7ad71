"""Questions to the kernel about single connections (sock_diag(7)), for everybody.

The tables in /proc tell the same, but all rows at once: with 50,000 connections of a busy server
200 ms of computing for each look, against 20 µs here. Raises `OSError` where the kernel does not
answer (CONFIG_INET_DIAG, or a container that allows no netlink).
"""

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from oxtrio.system.net_tables import Endpoint, plain_host

# linux/netlink.h, linux/sock_diag.h
NETLINK_SOCK_DIAG = 4
REQUEST, DUMP = 0x1, 0x300
ERROR, DONE = 2, 3
BY_FAMILY = 20

LISTEN, SYN_RECEIVED = 10, 3
"""States, as tcp_states.h numbers them."""
ANY_COOKIE = b"\xff" * 8
PATIENCE = 1.0
"""Seconds; the answer of the kernel is there when the question is asked."""

HEADER = struct.Struct("=IHHII")
QUESTION = struct.Struct("=BBBBI")
"""Family, protocol, extensions, padding, states; behind it stands whom it is about."""
PORTS = struct.Struct("!HH")
ANSWER = struct.Struct("=BB2x48s16xI")
"""Family, state, whom it is about, (timer, queues, user), inode."""

# linux/unix_diag.h
UNIX_QUESTION = struct.Struct("=BBxxIII")
"""Family, protocol, states, inode, what to show; behind it a cookie."""
UNIX_ANSWER_SIZE = 16
ATTRIBUTE = struct.Struct("=HH")
"""Length and kind; behind it the value."""
ANY_STATE, SHOW_PEER, PEER = 0xFFFFFFFF, 4, 2


@dataclass(frozen=True, slots=True)
class Connection:
    """Our end of a TCP connection."""

    remote: Endpoint
    state: int
    inode: int
    """0 before it is accepted, and after it was closed on this side."""


def find(local: Endpoint, remote: Endpoint) -> Connection | None:
    """Our end of the connection between *local* and *remote*; None where there is none."""
    family, ours = _address(local[0])
    _, theirs = _address(remote[0])
    about = PORTS.pack(local[1], remote[1]) + ours + theirs + bytes(4) + ANY_COOKIE
    try:
        found = next(_ask(family, REQUEST, 0, about), None)
    except FileNotFoundError:
        return None
    # In place of a connection that is not there it may name who listens.
    return found if found is not None and found.state != LISTEN else None


def handshakes(port: int) -> set[Endpoint]:
    """The clients whose handshake with our *port* is under way (1 ms or more: in a thread)."""
    about = PORTS.pack(port, 0) + bytes(36) + ANY_COOKIE
    return {
        found.remote
        for family in (socket.AF_INET, socket.AF_INET6)
        for found in _ask(family, REQUEST | DUMP, 1 << SYN_RECEIVED, about)
    }


def is_unix_accepted(inode: int) -> bool:
    """Whether the other end of our Unix socket *inode* has been accepted (unix_diag.h).

    Until then it has no inode. Raises `FileNotFoundError` where there is no such socket.
    """
    # Protocol 0, any state, this socket, and who is at the other end.
    question = UNIX_QUESTION.pack(socket.AF_UNIX, 0, ANY_STATE, inode, SHOW_PEER) + ANY_COOKIE
    for content in _contents(REQUEST, question):
        at = UNIX_ANSWER_SIZE
        while at + ATTRIBUTE.size <= len(content):
            length, kind = ATTRIBUTE.unpack_from(content, at)
            if kind == PEER:
                return bool(struct.unpack_from("=I", content, at + ATTRIBUTE.size)[0])
            at += max(ATTRIBUTE.size, (length + 3) & ~3)
    return False


def _address(host: str) -> tuple[socket.AddressFamily, bytes]:
    number = ipaddress.ip_address(host)
    family = socket.AF_INET if number.version == 4 else socket.AF_INET6
    return family, number.packed.ljust(16, b"\0")


def _ask(
    family: socket.AddressFamily, flags: int, states: int, about: bytes
) -> Iterator[Connection]:
    question = QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0, states) + about
    return map(_connection, _contents(flags, question))


def _contents(flags: int, question: bytes) -> Iterator[bytes]:
    header = HEADER.pack(HEADER.size + len(question), BY_FAMILY, flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(PATIENCE)
        kernel.sendall(header + question)
        while True:
            for kind, content in _messages(kernel.recv(65_536)):
                if kind == DONE:
                    return
                if kind == ERROR:
                    number = -struct.unpack_from("=i", content)[0]
                    raise OSError(number, os.strerror(number))
                yield content
            if not flags & DUMP:
                return


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, *_ = HEADER.unpack_from(data, at)
        if length < HEADER.size:
            raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
        yield kind, data[at + HEADER.size : at + length]
        at += (length + 3) & ~3


def _connection(content: bytes) -> Connection:
    family, state, about, inode = ANSWER.unpack_from(content)
    _, port = PORTS.unpack_from(about)
    theirs = about[20:24] if family == socket.AF_INET else about[20:36]
    return Connection((plain_host(theirs), port), state, inode)

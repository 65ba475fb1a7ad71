"""The kernel's tables of sockets: /proc/net/tcp, tcp6 and unix of this network namespace.

Reading all TCP sockets takes 1 ms for every few thousand connections of the machine: that
belongs in a thread. Those that listen stand first, and are read without the rest.
"""

import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass

HANDSHAKE = "03"
"""A client has asked, we have answered, and its next word is awaited (a request socket)."""
LISTENING = "0A"
NOBODY = "0"
"""The inode of a connection that waits to be accepted, or that was closed on this side."""

ACCEPTING = 0x10000
"""The flag of a Unix socket that listens (__SO_ACCEPTCON)."""

TCP = ("/proc/net/tcp", "/proc/net/tcp6")
UNIX = "/proc/net/unix"

Endpoint = tuple[str, int]
"""Address and port; an IPv4 address on an IPv6 socket is shown as what it is."""


@dataclass(frozen=True, slots=True)
class TcpRow:
    """One TCP socket."""

    local: Endpoint
    remote: Endpoint
    state: str
    uid: int
    inode: str


def listening() -> Iterator[TcpRow]:
    """The TCP sockets that listen."""
    for table in TCP:
        for fields in _rows(table):
            row = _tcp_row(fields)
            if row.state != LISTENING:
                break  # the kernel prints these before all others
            yield row


def handshakes(port: int) -> set[Endpoint]:
    """The clients whose handshake with our *port* is under way."""
    # Looked for in the text first: there may be 50,000 rows, most of connections long over.
    rows = _tcp_rows(f":{port:04X} ", f" {HANDSHAKE} ")
    return {row.remote for row in rows if row.local[1] == port and row.state == HANDSHAKE}


def inode_of(local: Endpoint, remote: Endpoint) -> str | None:
    """The inode of our end of the connection between *local* and *remote*.

    None before it is accepted, and after it was closed on this side.
    """
    for row in _tcp_rows(f":{local[1]:04X} ", f":{remote[1]:04X} "):
        if (row.local, row.remote) == (local, remote) and row.inode != NOBODY:
            return row.inode
    return None


def listening_unix() -> Iterator[tuple[str, str]]:
    """Path and inode of the Unix sockets that listen; "@name" is an abstract one.

    A socket file that was moved is listed under the name that it was made with.
    """
    for fields in _rows(UNIX):
        if len(fields) > 7 and int(fields[3], 16) & ACCEPTING:
            yield " ".join(fields[7:]), fields[6]


def _tcp_rows(*words: str) -> Iterator[TcpRow]:
    return (_tcp_row(fields) for table in TCP for fields in _rows(table, *words))


def _rows(table: str, *words: str) -> Iterator[list[str]]:
    """The words of each row that has all of *words*; none where the table cannot be read."""
    try:
        with open(table, errors="surrogateescape") as file:
            next(file, "")  # the names of the columns
            for row in file:
                if all(word in row for word in words):
                    yield row.split()
    except OSError:
        return


def endpoint_of(address: tuple[object, ...]) -> Endpoint:
    """What `getsockname` says, in the form of the tables."""
    host, port = str(address[0]), int(str(address[1]))
    return plain_host(ipaddress.ip_address(host.partition("%")[0]).packed), port


def _tcp_row(fields: list[str]) -> TcpRow:
    local, remote, state, uid, inode = (fields[column] for column in (1, 2, 3, 7, 9))
    return TcpRow(_endpoint(local), _endpoint(remote), state, int(uid), inode)


def _endpoint(text: str) -> Endpoint:
    digits, _, port = text.partition(":")
    return host_of(digits), int(port, 16)


def host_of(digits: str) -> str:
    """The kernel prints an address as 32-bit words in the order of the machine's bytes."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    packed = b"".join(socket.htonl(word).to_bytes(4, "big") for word in words)
    return plain_host(packed)


def plain_host(packed: bytes) -> str:
    """The address of 4 or 16 bytes; an IPv4 address in an IPv6 one is shown as what it is."""
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)

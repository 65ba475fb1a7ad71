"""Who listens on an address, as far as this user may see it.

What a process is, psutil tells. Who has a socket is read from /proc/net, as
`psutil.net_connections` leaves out what matters here: the user of a socket whose process may
not be looked at; the master, where workers share its socket (it names the last worker); and
which Unix sockets listen, or have a space in their path.

Everything here reads many small files: it belongs in a thread.
"""

import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil

from oxtrio.model.listener import Listener
from oxtrio.system.proc import all_pids, stat_of

LISTENING = "0A"
ACCEPTING = 0x10000
"""The flag of a listening socket in /proc/net/unix (__SO_ACCEPTCON)."""
LONGEST_COMMAND = 4096


@dataclass(frozen=True, slots=True)
class _Row:
    """A listening TCP socket of /proc/net/tcp or tcp6."""

    host: str
    port: int
    uid: int
    inode: str


def owner_of(port: int, host: str | None = None) -> Listener | None:
    """The process that keeps others from listening on *port* of *host* (None: any address).

    None where nobody listens there in this network namespace. A listener on all addresses
    stands in the way of every host, and a wish for all addresses meets every listener.
    """
    rows = [row for row in _listening() if row.port == port and _collide(row.host, host)]
    if not rows:
        return None
    row = next((row for row in rows if row.host == host), rows[0])
    shown = f"[{row.host}]" if ":" in row.host else row.host
    return _listener(f"{shown}:{row.port}", row.inode, row.uid)


def unix_owner(path: str) -> Listener | None:
    """The process that listens on the Unix socket at *path*; "@name" is an abstract one."""
    for fields in _table("unix"):
        listens = len(fields) > 7 and int(fields[3], 16) & ACCEPTING
        if listens and " ".join(fields[7:]) == path:
            return _listener(path, fields[6], None)
    return None


def _listening() -> Iterator[_Row]:
    for table in ("tcp", "tcp6"):
        for fields in _table(table):
            if len(fields) > 9 and fields[3] == LISTENING:
                address, _, port = fields[1].partition(":")
                yield _Row(_host(address), int(port, 16), int(fields[7]), fields[9])


def _table(name: str) -> Iterator[list[str]]:
    """The rows of /proc/net/*name*, split into words; none where it cannot be read."""
    try:
        with open(f"/proc/net/{name}", errors="surrogateescape") as file:
            rows = file.readlines()[1:]
    except OSError:
        return
    yield from (row.split() for row in rows)


def _host(digits: str) -> str:
    """The kernel prints the address as 32-bit words in the order of the machine's bytes."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    packed = b"".join(socket.htonl(word).to_bytes(4, "big") for word in words)
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)


def _collide(taken: str, wanted: str | None) -> bool:
    if wanted is None or wanted == taken:
        return True
    if wanted == "localhost":
        return taken in ("127.0.0.1", "::1", "0.0.0.0", "::")
    everywhere = {"0.0.0.0", "::"}
    return taken in everywhere or wanted in everywhere


def _listener(address: str, inode: str, uid: int | None) -> Listener:
    pid = _holder(f"socket:[{inode}]")
    name, command = "", ""
    # It may be gone by now; what was learned before stays true.
    with suppress(psutil.Error):
        if pid is not None:
            process = psutil.Process(pid)
            with process.oneshot():
                uid = process.uids().effective if uid is None else uid
                name, command = process.name(), _shown(process.cmdline())
    return Listener(address=address, pid=pid, uid=uid, name=name, command=command)


def _shown(words: list[str]) -> str:
    line = " ".join(words)[:LONGEST_COMMAND].strip()
    return line.encode(errors="surrogateescape").decode(errors="replace")


def _holder(link: str) -> int | None:
    """The oldest process that has *link* open: a master, where its workers share it."""
    return min((pid for pid in all_pids() if _has(pid, link)), key=_age, default=None)


def _has(pid: int, link: str) -> bool:
    try:
        with os.scandir(f"/proc/{pid}/fd") as files:
            return any(_target(file.path) == link for file in files)
    except OSError:
        return False


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _age(pid: int) -> tuple[int, int]:
    stat = stat_of(pid)
    return (stat.started if stat else 0, pid)

"""Unix sockets: a listener that only its owner reaches, and who stands at the other end.

An *address* is an absolute path, or `@name` for an abstract socket. Standard library only, so
that the command line can use the client's half without paying for Trio.
"""

import errno
import os
import select
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple, Protocol

from oxtrio.errors import AlreadyRunning, DaemonUnreachable, NotRunning, OxtrioError, Refused

BACKLOG = 1024
"""With a backlog of 8, 991 of 1000 clients that came at once were refused."""

PATH_MAX = 107
"""Bytes of a path that fit into a socket address."""

_UCRED = struct.Struct("iII")


class Peer(NamedTuple):
    """The process at the other end, as it was when it connected (or began to listen)."""

    pid: int
    uid: int


class Sock(Protocol):
    """What is needed of a connected socket, be it Trio's or the standard library's."""

    def fileno(self) -> int: ...

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes: ...


def listen(address: str) -> socket.socket:
    """A listening socket at *address* that was never open to anybody but its owner.

    A socket file that is in the way is stale and goes: the caller holds the project's lock.
    Raises `AlreadyRunning` where an abstract address is taken, else `OxtrioError`.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Before bind: the file then has this mode from its first instant, whatever the umask.
        os.fchmod(listener.fileno(), 0o600)
        remove_stale(address)
        with reachable(address) as name:
            listener.bind(name)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AlreadyRunning(f"cannot listen on {address}: somebody else does") from None
        raise OxtrioError(f"cannot listen on {address}: {error.strerror}") from None
    except BaseException:
        listener.close()
        raise
    return listener


@contextmanager
def listening(address: str, handed: int | None = None) -> Iterator[socket.socket]:
    """`listen` for the time of a block; the socket file is removed at its end.

    *handed* is a descriptor that listens there already.
    """
    with listen(address) if handed is None else socket.socket(fileno=handed) as listener:
        try:
            yield listener
        finally:
            with suppress(OSError, OxtrioError):
                remove_stale(address)


def remove_stale(address: str) -> None:
    """Remove the socket file of a listener that is gone; anything else there is left alone."""
    if address.startswith("@"):
        return
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(address).st_mode):
            raise OxtrioError(
                f"cannot listen on {address}: there is something that is no socket",
                hint=f"move it away: mv {address} {address}.old",
            )
        os.unlink(address)


@contextmanager
def reachable(address: str) -> Iterator[str]:
    """*address* in a form that `bind` and `connect` take, valid inside the block.

    A path that is too long for a socket address is reached through its folder's descriptor.
    """
    if address.startswith("@"):
        yield "\0" + address[1:]
    elif len(os.fsencode(address)) <= PATH_MAX:
        yield address
    else:
        folder, name = os.path.split(address)
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}/{name}"
        finally:
            os.close(descriptor)


def is_allowed(sock: Sock) -> bool:
    """Whether the process that connected acts for our own user or for root."""
    return peer_of(sock).uid in (os.geteuid(), 0)


def peer_of(sock: Sock) -> Peer:
    """The process at the other end of a connected *sock*."""
    pid, uid, _gid = _UCRED.unpack(
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    )
    return Peer(pid, uid)


def is_gone(sock: Sock) -> bool:
    """Whether the peer has closed for good, not only said its last word (`shutdown`)."""
    poll = select.poll()
    poll.register(sock.fileno(), 0)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))


def find_listener(address: str, patience: float) -> Peer:
    """Who listens at *address*; it may be stopped or stuck, and is not waited for.

    Raises what `connect` raises.
    """
    with connect(address, patience) as sock:
        return peer_of(sock)


def connect(address: str, patience: float) -> socket.socket:
    """A connection to *address*, on which no single wait lasts longer than *patience* seconds.

    Raises `NotRunning`, `Refused`, or `DaemonUnreachable` when the queue of the listener
    stays full for that long.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Not settimeout(): a non-blocking connect does not wait for room in the queue.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(patience))
        with reachable(address) as name:
            sock.connect(name)
        sock.settimeout(patience)
    except OSError as error:
        sock.close()
        raise _in_words(error, address) from None
    except BaseException:
        sock.close()
        raise
    return sock


def _in_words(error: OSError, address: str) -> OxtrioError:
    match error:
        case FileNotFoundError() | NotADirectoryError() | ConnectionRefusedError():
            return NotRunning("oxtrio is not running", hint="start it: oxtrio start")
        case PermissionError():
            return Refused(f"cannot connect to {address}: permission denied")
        case BlockingIOError() | TimeoutError():
            return DaemonUnreachable(
                f"the supervisor accepts no connection on {address}",
                hint="see what it does: oxtrio doctor",
            )
    return OxtrioError(f"cannot connect to {address}: {error.strerror}")


def _timeval(seconds: float) -> bytes:
    """*seconds* as the kernel's `struct timeval`; never zero, which would mean for ever."""
    micros = max(int(seconds * 1_000_000), 1)
    return struct.pack("ll", micros // 1_000_000, micros % 1_000_000)

"""Names to addresses, and a connection to the first address that takes it."""

import errno
import ipaddress
import socket
from functools import partial

import trio

from oxtrio.system.threads import is_refusal

Address = tuple[str | int | bytes, ...]
Resolved = tuple[socket.AddressFamily, Address]

_lookups: trio.lowlevel.RunVar[dict[str, trio.CapacityLimiter]] = trio.lowlevel.RunVar(
    "oxtrio_lookups"
)


async def open_tcp(host: str, port: int) -> trio.SocketStream:
    """A connection to *host*, all of whose addresses are tried in order.

    Waits as long as it is let: each address gets an equal part of the caller's deadline.
    Raises the `OSError` of the first address when none answers. Cancelling leaves nothing
    open; a thread that asks a dead name server goes on by itself until that gives up.
    """
    addresses = await resolve(host, port)
    failures: list[OSError] = []
    for tried, (family, address) in enumerate(addresses):
        left = trio.current_effective_deadline() - trio.current_time()
        with trio.move_on_after(left / (len(addresses) - tried)):
            try:
                return await _connect(family, address)
            except OSError as error:
                failures.append(error)
                continue
        failures.append(TimeoutError("timed out"))
    raise failures[0] if failures else OSError(f"'{host}' has no address")


async def resolve(host: str, port: int) -> list[Resolved]:
    """The addresses of *host*; raises `socket.gaierror` where it has none.

    Numbers and `localhost` need no name server and no thread. For every other name one
    look-up at a time is under way: a dead name server holds one thread for each name, never
    the threads of others.
    """
    if host == "localhost":
        return [
            (socket.AF_INET, ("127.0.0.1", port)),
            (socket.AF_INET6, ("::1", port)),
        ]
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return await _look_up(host, port)
    family = socket.AF_INET if number.version == 4 else socket.AF_INET6
    return [(family, (host, port))]


async def _look_up(host: str, port: int) -> list[Resolved]:
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = await trio.to_thread.run_sync(ask, limiter=_limiter(host), abandon_on_cancel=True)
    except RuntimeError as error:
        if not is_refusal(error):
            raise
        # Nobody else should wait for a name server.
        raise OSError(errno.EAGAIN, str(error)) from error
    return [(family, address) for family, _, _, _, address in found]


def _limiter(host: str) -> trio.CapacityLimiter:
    try:
        lookups = _lookups.get()
    except LookupError:
        lookups = {}
        _lookups.set(lookups)
    return lookups.setdefault(host, trio.CapacityLimiter(1))


async def _connect(family: socket.AddressFamily, address: Address) -> trio.SocketStream:
    connecting = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        await connecting.connect(address)
    except BaseException:
        connecting.close()
        raise
    return trio.SocketStream(connecting)

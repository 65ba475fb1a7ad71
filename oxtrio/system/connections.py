"""What the kernel knows of TCP connections to our own listeners.

Asked by sock_diag, and where that is not answered looked up in /proc/net/tcp, which may take
long: everything here belongs in a thread.
"""

from contextlib import suppress

import trio

from oxtrio.system import net_tables, sock_diag
from oxtrio.system.net_tables import Endpoint, endpoint_of


def server_inode(stream: trio.SocketStream) -> str | None:
    """The inode of the other end of *stream*, which is on this machine.

    None before it is accepted, and after it was closed over there, or here.
    """
    try:
        local = endpoint_of(stream.socket.getpeername())
        remote = endpoint_of(stream.socket.getsockname())
    except OSError:
        return None
    with suppress(OSError):
        # A link-local address is not found without its interface: the table has it.
        if (found := sock_diag.find(local, remote)) is not None:
            return str(found.inode) if found.inode else None
    return net_tables.inode_of(local, remote)


def handshakes(port: int) -> set[Endpoint]:
    """The clients whose handshake with our *port* is under way, in whatever socket."""
    try:
        return sock_diag.handshakes(port)
    except OSError:
        return net_tables.handshakes(port)

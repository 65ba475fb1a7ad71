"""The control socket, open for the time of a block."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from oxtrio.system import unixsocket


@asynccontextmanager
async def open_listener(
    address: str, handed: int | None = None
) -> AsyncIterator[trio.SocketListener]:
    """Listen on *address* (a path, or `@name`) for as long as the block runs.

    The caller holds the project's lock: a socket file that is in the way is stale. Afterwards
    the file is gone, so that clients learn at once that nobody listens. *handed* is a descriptor
    that the program before us has listened with.
    """
    with unixsocket.listening(address, handed) as plain:
        async with trio.SocketListener(trio.socket.from_stdlib_socket(plain)) as listener:
            yield listener

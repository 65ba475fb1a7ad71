"""How a run is asked how it is: where it listens on a held address, it and no other is reached."""

from collections.abc import Callable, Collection

import trio

from oxtrio.process.sockets import Place
from oxtrio.system.groups import Slot
from oxtrio.system.lookup import open_tcp


class Reach:
    """Opens the connection of one health probe of a run."""

    def __init__(self, place: Place | None, pids: Callable[[], Collection[int]]) -> None:
        self._place = place
        self._pids = pids
        self._slot: Slot | None = None

    async def tcp(self, host: str, port: int) -> trio.SocketStream:
        """A connection to *host* and *port*; to the run itself where that is its own address."""
        if self._place is not None:
            self._slot = self._place.slot_at(host, port)
        return await open_tcp(host, port) if self._slot is None else await self._slot.connect()

    async def unix(self, path: str) -> trio.SocketStream:
        """The same for the Unix socket at *path*."""
        if self._place is not None:
            self._slot = self._place.slot_at_path(path)
        if self._slot is None:
            return await trio.open_unix_socket(path)
        return await self._slot.connect()

    def is_own(self, stream: trio.SocketStream) -> bool:
        """Whether, as far as that can be told, the run itself is at the other end."""
        return self._slot is None or self._slot.answered_by(stream, self._pids)

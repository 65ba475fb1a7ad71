"""How a run is asked how it is: where it listens on a held address, it and no other is reached."""

import trio

from oxtrio.process.sockets import Place
from oxtrio.system.groups import Pids
from oxtrio.system.lookup import open_tcp


class Reach:
    """Opens the connections of health probes of one run."""

    def __init__(self, place: Place | None, pids: Pids) -> None:
        self._place = place
        self._pids = pids

    async def tcp(self, host: str, port: int) -> trio.SocketStream:
        """A connection to *host* and *port*; to the run itself where that is its own address."""
        if self._place is not None:
            stream = await self._place.connect(host, port, self._pids)
            if stream is not None:
                return stream
        return await open_tcp(host, port)

    async def unix(self, path: str) -> trio.SocketStream:
        """The same for the Unix socket at *path*."""
        if self._place is not None:
            stream = await self._place.connect_path(path, self._pids)
            if stream is not None:
                return stream
        return await trio.open_unix_socket(path)

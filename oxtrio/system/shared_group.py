"""A TCP address with one socket for all who serve it: where the kernel does not steer."""

import errno
import socket
from collections.abc import Collection, Sequence
from typing import Final

import trio

from oxtrio.model.spec import ListenSpec
from oxtrio.system.accepting import Pids, in_thread, wait_until
from oxtrio.system.connections import server_inode
from oxtrio.system.keepsakes import NOTHING_KEPT, Keepsakes
from oxtrio.system.listeners import has_open
from oxtrio.system.slot import Slot, kept_name
from oxtrio.system.tcp_sockets import bound_client, is_readable, open_listener


class SharedSlot:
    """The right to accept from the socket of the group, which all slots have."""

    place: Final = 0

    def __init__(self, group: "SharedGroup") -> None:
        self._group = group

    def fileno(self) -> int:
        """The descriptor to hand over, the same for all; -1 when the group is closed."""
        return self._group.socket.fileno()

    def is_waiting(self) -> bool:
        """Whether somebody waits to be accepted, by whomever; False when the group is closed."""
        return is_readable(self._group.socket)

    async def connect(self) -> trio.SocketStream:
        """A connection that whoever is first accepts; see `wait_accepted` and `answered_by`.

        It waits for as long as the queue is full: the caller brings the timeout. Raises
        `OSError`. Cancelling closes it.
        """
        plain, address = bound_client(self._group.listen)
        client = trio.socket.from_stdlib_socket(plain)
        try:
            await client.connect(address)
        except BaseException:
            client.close()
            raise
        return trio.SocketStream(client)

    async def wait_accepted(self, stream: trio.SocketStream, pids: Pids) -> None:
        """Return when one of *pids* has accepted *stream*, or when the group is closed.

        Raises `ConnectionAbortedError` when others have: the caller connects again. Cancelling
        changes nothing.
        """

        async def is_accepted() -> bool:
            over = is_readable(stream.socket)
            inode = await in_thread(server_inode, stream)
            if inode is None and not over:
                return False
            # Whose it was cannot be told of one that is closed over there.
            if inode is None or not await in_thread(_is_open_in, inode, pids()):
                raise ConnectionAbortedError(errno.ECONNABORTED, "another process has taken it")
            return True

        await wait_until(is_accepted, self._group.closed)

    def answered_by(self, stream: trio.SocketStream, pids: Pids) -> bool:
        """Whether the other end of *stream* is open in one of *pids*.

        To be asked while it is: once it has been closed there nobody knows whose it was.
        Processes that this user may not look into count as others.
        """
        inode = server_inode(stream)
        return inode is not None and _is_open_in(inode, pids())

    async def wait_drained(self) -> None:
        """Return at once: who waits is accepted by the others. Cancelling changes nothing."""
        await trio.lowlevel.checkpoint()

    def release(self) -> None:
        """Nothing to reset: who waits is accepted by the others."""


def _is_open_in(inode: str, pids: Collection[int]) -> bool:
    return any(has_open(pid, f"socket:[{inode}]") for pid in pids)


class SharedGroup:
    """One socket. New connections go to whoever accepts first."""

    steered: Final = False

    def __init__(self, listen: ListenSpec, keepsakes: Keepsakes = NOTHING_KEPT) -> None:
        """Raises `OSError`: EADDRINUSE where anybody else listens. It listens at once.

        Where *keepsakes* has the socket from an earlier supervisor, it is that one.
        """
        self.listen: Final = listen
        self.closed: Final = trio.Event()
        self._keepsakes = keepsakes
        self._name = kept_name(listen, SharedSlot.place)
        left = keepsakes.take(self._name)
        self.socket: Final = (
            open_listener(listen, grouped=False) if left is None else socket.socket(fileno=left)
        )
        keepsakes.keep(self._name, self.socket.fileno())

    def take_at(self, place: int) -> SharedSlot:
        """The same for a run that has the socket already."""
        return SharedSlot(self)

    def take(self) -> SharedSlot:
        """One more slot; all have the same socket."""
        return SharedSlot(self)

    def serve(self, slots: Sequence[Slot]) -> None:
        """Nothing to do: a process is served from by not running any more."""

    def close(self) -> None:
        """Give the address up: clients are refused, unless a process still has the socket."""
        self.closed.set()
        self._keepsakes.drop(self._name)
        self.socket.close()

"""A TCP address whose sockets are one each for whoever serves it, steered by a BPF program."""

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import trio

from oxtrio.model.spec import ListenSpec
from oxtrio.system import steering
from oxtrio.system.accepting import GLANCE, Pids, in_thread, pause, wait_quiet, wait_until
from oxtrio.system.connections import handshakes, server_inode
from oxtrio.system.keepsakes import NOTHING_KEPT, Keepsakes
from oxtrio.system.net_tables import Endpoint, TcpRow, endpoint_of, listening
from oxtrio.system.slot import Slot, kept_name
from oxtrio.system.tcp_sockets import (
    MOST_WAITING,
    bound_client,
    check_unused,
    is_readable,
    open_listener,
    reset_queue,
)
from oxtrio.system.unixsocket import is_gone


class SteeredSlot:
    """One listening socket, made and kept by us: its queue outlives who accepts from it."""

    def __init__(
        self, group: "SteeredGroup", place: int, left: socket.socket | None = None
    ) -> None:
        self._group = group
        self.place: Final = place
        """Its index in the group of the kernel; it never changes."""
        self.socket = left or open_listener(group.listen, grouped=True)

    def fileno(self) -> int:
        """The descriptor to hand over; -1 when the group is closed."""
        return self.socket.fileno()

    def is_waiting(self) -> bool:
        """Whether somebody waits to be accepted here; False when the group is closed."""
        return is_readable(self.socket)

    async def connect(self) -> trio.SocketStream:
        """A connection to this slot, whoever serves the address; nobody else's comes here by it.

        It waits for as long as the queue is full: the caller brings the timeout. Raises
        `OSError`. Cancelling closes it, and takes its rule out of the program.
        """
        plain, address = bound_client(self._group.listen)
        client = trio.socket.from_stdlib_socket(plain)
        try:
            # The port is known before the connection begins, so the first packet meets the rule.
            with self._group.aimed(endpoint_of(client.getsockname()), self.place):
                await client.connect(address)
        except BaseException:
            client.close()
            raise
        return trio.SocketStream(client)

    async def wait_accepted(self, stream: trio.SocketStream, pids: Pids) -> None:
        """Return when *stream*, which `connect` gave, was accepted, or when the group is closed.

        Raises `ConnectionResetError` when it was reset, accepted or not. Cancelling changes
        nothing.
        """

        async def is_accepted() -> bool:
            if not is_readable(stream.socket):
                return await in_thread(server_inode, stream) is not None
            if is_gone(stream.socket):
                raise ConnectionResetError(errno.ECONNRESET, f"{self._group.listen} has reset it")
            return True  # data, or a proper end: somebody accepted it, and may have closed it

        await wait_until(is_accepted, self._group.closed)

    def answered_by(self, stream: trio.SocketStream, pids: Pids) -> bool:
        """True: nobody else has this socket."""
        return True

    async def wait_drained(self) -> None:
        """Return when nobody can come here any more, once the group serves others.

        That is: every handshake that had begun is over, and then nobody was in the queue for
        150 ms; or the group is closed. It has no bound of its own: a client that never finishes
        its handshake is waited for. Cancelling changes nothing.
        """
        closed, port = self._group.closed, self._group.listen.port
        # Another processor may still be at work on a packet that met the program before.
        await pause(closed, GLANCE)
        # Whose they are is not told: those of the other slots are waited for as well.
        pending = await in_thread(handshakes, port)

        async def is_busy() -> bool:
            nonlocal pending
            if pending:
                pending &= await in_thread(handshakes, port)
            return bool(pending) or self.is_waiting()

        await wait_quiet(is_busy, closed)

    def release(self) -> None:
        """Reset who waits here, and let the next `take` have this slot. Never blocks."""
        self._group.give_back(self)


class SteeredGroup:
    """All sockets of one address. None is closed before all are: so none changes its place.

    (The kernel moves the last of a group into the place of one whose last copy was closed.)
    """

    steered: Final = True

    def __init__(self, listen: ListenSpec, keepsakes: Keepsakes = NOTHING_KEPT) -> None:
        """Raises `OSError`: EADDRINUSE where anybody else listens. It listens at once.

        Where *keepsakes* has its sockets from an earlier supervisor, they are it: nobody who
        waits in them is lost, and they go on serving whom they did until `serve` is called.
        """
        self.listen: Final = listen
        self.closed: Final = trio.Event()
        self._keepsakes = keepsakes
        self._aims: dict[Endpoint, int] = {}
        self._serving: tuple[int, ...] = (0,)
        self._slots = [
            SteeredSlot(self, place, left) for place, left in enumerate(self._left_behind())
        ]
        if self._slots:
            self._free = list(self._slots)
            return
        check_unused(listen)
        self._slots = [SteeredSlot(self, 0)]
        self._free = [self._slots[0]]
        # Before there is a second: from the first instant nobody gets there by chance.
        try:
            self._steer()
        except BaseException:
            self.close()
            raise
        self._keep(self._slots[0])

    def _left_behind(self) -> Iterator[socket.socket]:
        """The sockets of an earlier supervisor, in their order."""
        place = 0
        while (descriptor := self._keepsakes.take(self._name(place))) is not None:
            yield socket.socket(fileno=descriptor)
            place += 1

    def _name(self, place: int) -> str:
        return kept_name(self.listen, place)

    def _keep(self, slot: SteeredSlot) -> None:
        self._keepsakes.keep(self._name(slot.place), slot.fileno())

    def take_at(self, place: int) -> SteeredSlot | None:
        """The slot at *place*, for a run that has it already; None where it is not free."""
        slot = next((slot for slot in self._free if slot.place == place), None)
        if slot is not None:
            self._free.remove(slot)
        return slot

    def take(self) -> SteeredSlot:
        """A slot that nobody has; made where there is none. Raises `OSError`."""
        if not self._free:
            self._free.append(self._grown())
        # Who waits in one that a dead supervisor has left is served before nobody is.
        slot = min(self._free, key=lambda slot: (not slot.is_waiting(), slot.place))
        self._free.remove(slot)
        return slot

    def _grown(self) -> SteeredSlot:
        slot = SteeredSlot(self, len(self._slots))
        ours = {str(os.fstat(each.fileno()).st_ino) for each in (*self._slots, slot)}
        if any(row.inode not in ours for row in _same_address(slot)):
            # It may stand where we think that ours does: what is meant for ours would go there.
            slot.socket.close()  # the last one: nothing moves
            raise OSError(errno.EADDRINUSE, f"somebody else shares {self.listen} (SO_REUSEPORT)")
        self._slots.append(slot)
        self._keep(slot)
        return slot

    def give_back(self, slot: SteeredSlot) -> None:
        """The slot is free again, its queue empty."""
        if self.closed.is_set() or slot in self._free:
            return
        reset_queue(slot.socket, MOST_WAITING)
        self._free.append(slot)

    def serve(self, slots: Sequence[Slot]) -> None:
        """From this instant new connections go to one of *slots*, by chance; never none.

        Raises `OSError`, and changes nothing, where the kernel takes no program this long (some
        1000 slots). Nothing happens when the group is closed.
        """
        serving = tuple(slot.place for slot in self._slots if slot in slots)
        if not serving:
            raise ValueError("somebody must serve the address")
        before, self._serving = self._serving, serving
        try:
            self._steer()
        except OSError:
            self._serving = before
            raise

    @contextmanager
    def aimed(self, client: Endpoint, place: int) -> Iterator[None]:
        """Inside, what *client* begins reaches the slot at *place*; others are not touched."""
        self._aims[client] = place
        try:
            self._steer()
            yield
        finally:
            del self._aims[client]
            self._steer()

    def _steer(self) -> None:
        if not self.closed.is_set():
            steering.attach(self._slots[0].socket, steering.program(self._serving, self._aims))

    def close(self) -> None:
        """Give the address up: our copies are closed, and clients are refused.

        What processes have inherited goes on, with connections spread over all of it.
        """
        if self.closed.is_set():
            return
        self.closed.set()
        # Before Linux 5.3 the program stays, and the kernel hashes where it hits no socket.
        with suppress(OSError):
            steering.detach(self._slots[0].socket)
        for slot in self._slots:
            self._keepsakes.drop(self._name(slot.place))
            slot.socket.close()


def _same_address(slot: SteeredSlot) -> Iterator[TcpRow]:
    local = endpoint_of(slot.socket.getsockname())
    return (row for row in listening() if row.local == local)

"""A Unix socket whose path is moved, in one step, from one listening socket to the next."""

from collections.abc import Sequence
from typing import Final

import trio

from oxtrio.model.spec import ListenSpec
from oxtrio.system import socket_files
from oxtrio.system.accepting import LATEST, Pids, pause, wait_quiet, wait_until
from oxtrio.system.slot import Slot
from oxtrio.system.tcp_sockets import MOST_WAITING, is_readable, reset_queue


class UnixSlot:
    """One listening socket with a name of its own beside the path; for one run only."""

    def __init__(self, group: "UnixGroup") -> None:
        """Raises `OSError`; `OxtrioError` where it cannot be given to its owner."""
        self._group = group
        self.socket, self.name, self.file = socket_files.open_beside(group.listen)

    place: Final = 0

    def fileno(self) -> int:
        """The descriptor to hand over; -1 when it was released, or the group is closed."""
        return self.socket.fileno()

    def is_waiting(self) -> bool:
        """Whether somebody waits to be accepted here; False when it is closed."""
        return is_readable(self.socket)

    async def connect(self) -> trio.SocketStream:
        """A connection to this slot, whoever has the path.

        It waits for as long as the queue is full: the caller brings the timeout. Raises
        `OSError`. Cancelling leaves nothing open.
        """
        await trio.lowlevel.checkpoint()
        while True:
            try:
                plain = socket_files.connect(self._name_now())
                return trio.SocketStream(trio.socket.from_stdlib_socket(plain))
            except BlockingIOError:
                # Nobody is told when there is room in the queue of a Unix socket.
                await pause(self._group.closed, LATEST)

    def _name_now(self) -> str:
        for name in (self.name, self._group.path):
            if socket_files.file_at(name) == self.file:
                return name
        raise ConnectionRefusedError(f"{self._group.listen} was moved on to another socket")

    async def wait_accepted(self, stream: trio.SocketStream, pids: Pids) -> None:
        """Return when everybody who came was accepted, *stream* too, or the group is closed.

        Cancelling changes nothing.
        """

        async def is_accepted() -> bool:
            return not await self._is_busy()

        await wait_until(is_accepted, self._group.closed)

    def answered_by(self, stream: trio.SocketStream, pids: Pids) -> bool:
        """True: nobody else has this socket."""
        return True

    async def wait_drained(self) -> None:
        """Return when nobody was in the queue for 150 ms, or the group is closed.

        A client that has just looked up the path may still come. Cancelling changes nothing.
        """
        await wait_quiet(self._is_busy, self._group.closed)

    async def _is_busy(self) -> bool:
        await trio.lowlevel.checkpoint()
        return self.is_waiting()

    def release(self) -> None:
        """Hang up on who waits here; the socket and its name are gone. Never blocks."""
        if self.fileno() >= 0:
            reset_queue(self.socket, MOST_WAITING)
            self.close()
            self._group.forget(self)

    def close(self) -> None:
        """Close our copy, and remove the name beside the path."""
        self.socket.close()
        socket_files.remove(self.name)


class UnixGroup:
    """All sockets of one path, of which one at a time is found there."""

    steered: Final = True

    def __init__(self, listen: ListenSpec) -> None:
        """Raises `OSError` and `OxtrioError`. It listens at once, at the path too."""
        self.listen: Final = listen
        self.path: Final = listen.path or ""
        self.closed: Final = trio.Event()
        socket_files.check_free(self.path)
        socket_files.sweep(self.path)
        self._slots = [UnixSlot(self)]
        self._free = self._slots[:]
        self._serving = self._slots[0]
        try:
            self.serve(self._slots)
        except BaseException:
            self.close()
            raise

    def take_at(self, place: int) -> None:
        """None: the name of a Unix socket is not handed on from supervisor to supervisor."""

    def take(self) -> UnixSlot:
        """The slot that was there from the beginning, then a new one each time.

        Raises `OSError`; `OxtrioError` where it cannot be given to its owner.
        """
        if self._free:
            return self._free.pop()
        self._slots.append(UnixSlot(self))
        return self._slots[-1]

    def forget(self, slot: UnixSlot) -> None:
        """The slot is closed."""
        self._slots.remove(slot)

    def serve(self, slots: Sequence[Slot]) -> None:
        """From this instant the path leads to the newest of *slots*: only one can have it.

        Raises `OSError`, and changes nothing.
        """
        serving = [slot for slot in self._slots if slot in slots]
        if not serving:
            raise ValueError("somebody must serve the address")
        if self.closed.is_set() or socket_files.file_at(self.path) == serving[-1].file:
            return
        socket_files.move_over(serving[-1].name, self.path)
        self._serving = serving[-1]

    def close(self) -> None:
        """Give the path up: our copies are closed, and it is removed if it is still ours."""
        if self.closed.is_set():
            return
        self.closed.set()
        if socket_files.file_at(self.path) == self._serving.file:
            socket_files.remove(self.path)
        for slot in self._slots:
            slot.close()

"""A Unix socket whose path is moved, in one step, from one listening socket to the next."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

import trio

from oxtrio.model.spec import ListenSpec
from oxtrio.system import socket_files
from oxtrio.system.accepting import LATEST, Pids, pause, wait_quiet, wait_until
from oxtrio.system.keepsakes import NOTHING_KEPT, Keepsakes
from oxtrio.system.slot import Slot, kept_name
from oxtrio.system.sock_diag import is_unix_accepted
from oxtrio.system.socket_files import Beside
from oxtrio.system.tcp_sockets import MOST_WAITING, is_readable, reset_queue
from oxtrio.system.unixsocket import is_gone


class UnixSlot:
    """One listening socket with a name of its own beside the path; for one run only."""

    def __init__(self, group: "UnixGroup", left: Beside | None = None) -> None:
        """*left* is from an earlier supervisor; else it is made.

        Raises `OSError`; `OxtrioError` where it cannot be given to its owner.
        """
        self._group = group
        self.socket, self.name, self.file = left or socket_files.open_beside(group.listen)
        self.place: Final = socket_files.number_of(self.name)
        """What tells it from all others of its path, whoever has made it."""

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
        """Return when *stream* was accepted, or the group is closed. Cancelling changes nothing.

        Where the kernel does not tell (CONFIG_UNIX_DIAG): when everybody who came was.
        """
        inode = os.fstat(stream.socket.fileno()).st_ino

        async def is_accepted() -> bool:
            await trio.lowlevel.checkpoint()
            with suppress(OSError):
                return is_unix_accepted(inode) or is_gone(stream.socket)
            return not self.is_waiting()

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
        self._group.keepsakes.drop(self._group.kept_name(self.place))
        self.socket.close()
        socket_files.remove(self.name)


class UnixGroup:
    """All sockets of one path, of which one at a time is found there."""

    steered: Final = True

    def __init__(self, listen: ListenSpec, keepsakes: Keepsakes = NOTHING_KEPT) -> None:
        """Raises `OSError` and `OxtrioError`. It listens at once, at the path too.

        Where *keepsakes* has its sockets from an earlier supervisor, they are it.
        """
        self.listen: Final = listen
        self.path: Final = listen.path or ""
        self.closed: Final = trio.Event()
        self.keepsakes: Final = keepsakes
        self._slots = [UnixSlot(self, left) for left in self._left_behind()]
        if not self._slots:
            socket_files.check_free(self.path)
            socket_files.sweep(self.path)
            self._made()
        there = socket_files.file_at(self.path)
        self._serving = next((each for each in self._slots if each.file == there), self._slots[-1])
        self._free = self._slots[:]
        try:
            self.serve([self._serving])
        except BaseException:
            self.close()
            raise

    def _left_behind(self) -> Iterator[Beside]:
        """The sockets of an earlier supervisor that can still be reached by their names."""
        prefix = self.kept_name(None)
        for kept in self.keepsakes.left():
            if not kept.startswith(prefix):
                continue
            name = socket_files.name_with(self.path, kept.removeprefix(prefix))
            file, descriptor = socket_files.file_at(name), self.keepsakes.take(kept)
            if file is None and descriptor is not None:
                os.close(descriptor)
                self.keepsakes.drop(kept)
            elif file is not None and descriptor is not None:
                yield socket.socket(fileno=descriptor), name, file

    def kept_name(self, place: int | None) -> str:
        """What the slot *place* is kept under; None: what all of them begin with."""
        return kept_name(self.listen, "" if place is None else socket_files.token_of(place))

    def _made(self) -> UnixSlot:
        slot = UnixSlot(self)
        self._slots.append(slot)
        self.keepsakes.keep(self.kept_name(slot.place), slot.fileno())
        return slot

    def take_at(self, place: int) -> UnixSlot | None:
        """The slot *place*, for a run that has it already; None where it is not free."""
        slot = next((slot for slot in self._free if slot.place == place), None)
        if slot is not None:
            self._free.remove(slot)
        return slot

    def take(self) -> UnixSlot:
        """A slot that was there before, the one at the path first; then a new one each time.

        Raises `OSError`; `OxtrioError` where it cannot be given to its owner.
        """
        if not self._free:
            return self._made()
        slot = self._serving if self._serving in self._free else self._free[0]
        self._free.remove(slot)
        return slot

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

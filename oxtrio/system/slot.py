"""What is held of one address: a group of slots, whatever the kernel makes of it.

See `groups.open_group`.
"""

from collections.abc import Sequence
from typing import Protocol

import trio

from oxtrio.model.spec import ListenSpec
from oxtrio.system.accepting import Pids


def kept_name(listen: ListenSpec, place: int | str) -> str:
    """What the socket at *place* of an address is kept under (system/keepsakes.py)."""
    return f"listen/{listen}/{place}"


class Slot(Protocol):
    """One place in a group, for one run at a time."""

    @property
    def place(self) -> int:
        """Its index in the group; it never changes."""

    def fileno(self) -> int:
        """The descriptor to hand over, blocking and not inheritable; -1 when it is closed."""

    def is_waiting(self) -> bool:
        """Whether somebody waits here to be accepted."""

    async def connect(self) -> trio.SocketStream:
        """A connection that reaches just this slot, whoever serves the address.

        On a shared socket: one that may reach any. It waits for as long as the queue is full.
        Raises `OSError`. Cancelling closes it.
        """

    async def wait_accepted(self, stream: trio.SocketStream, pids: Pids) -> None:
        """Return when *stream*, which `connect` gave, was accepted, or the group is closed.

        Raises `OSError` when it will never be: it was reset, or, on a shared socket, it was
        accepted by others than *pids*. Cancelling changes nothing.
        """

    def answered_by(self, stream: trio.SocketStream, pids: Pids) -> bool:
        """Whether the other end of *stream* belongs to who has this slot."""

    async def wait_drained(self) -> None:
        """Return when nobody can come here any more, once the group serves others.

        It has no bound of its own. Returns when the group is closed. Cancelling changes nothing.
        """

    def release(self) -> None:
        """Nobody will accept here any more: reset who waits. The slot is not to be used again."""


class Group(Protocol):
    """All sockets of one address. Closing it is the last thing that is done with it."""

    @property
    def listen(self) -> ListenSpec: ...

    @property
    def steered(self) -> bool:
        """Whether a connection reaches the slot that it is meant for."""

    def take(self) -> Slot:
        """A slot that nobody has; made where there is none. Raises `OSError`."""

    def take_at(self, place: int) -> Slot | None:
        """The slot at *place*, which a run has already that an earlier supervisor began.

        None where it is not free, or not known.
        """

    def serve(self, slots: Sequence[Slot]) -> None:
        """From this instant new connections go round *slots* alone, which are never empty.

        Raises `OSError`, and then nothing has changed.
        """

    def close(self) -> None:
        """Give the address up, once or often: clients are refused, others may have it.

        Afterwards slots have nothing to say, and their waiting is over.
        """

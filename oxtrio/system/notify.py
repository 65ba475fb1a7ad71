"""Where a run says how it is (`NOTIFY_SOCKET`): the receiving end of sd_notify.

The address is abstract, so that no file is left behind and whatever user the run has can reach
it; who is in another network namespace cannot.
"""

import os
import socket
import struct
from collections.abc import Collection
from typing import NamedTuple

import trio

from oxtrio.system.keepsakes import NOTHING_KEPT, Keepsakes

MESSAGE_MAX = 4096
"""Bytes of a message; a longer one counts for nothing, as with systemd."""
BURST = 100
"""Messages that are taken at once."""
BURST_TIME = 0.1
"""Seconds that so many take at least: a flood waits in the queue of its sender."""

_UCRED = struct.Struct("iII")
# Room for the sender, and for nothing else: file descriptors that come along then never get
# here, as the kernel closes them when the message is taken. That is the answer which a sender
# of `BARRIER=1` waits for, and it works when no descriptor is free.
_ROOM = socket.CMSG_LEN(_UCRED.size)


class Message(NamedTuple):
    """One datagram, and who sent it, as the kernel says."""

    data: bytes
    pid: int
    """0 where the sender is in a pid namespace that cannot be seen from here."""
    uid: int
    brought_descriptors: bool
    """They have been closed."""


class NotifySocket:
    """The socket of one run, which may act for *uid*. Raises `OSError` where none can be had.

    What others than root, ourselves and *uid* send is dropped. What waits is bounded by the
    kernel: a sender blocks where it finds no room.
    """

    def __init__(
        self, run_id: str, uid: int | None = None, keepsakes: Keepsakes = NOTHING_KEPT
    ) -> None:
        """It outlives us in *keepsakes*; what an earlier supervisor left there is taken."""
        self.address = f"@oxtrio/notify/{run_id}"
        """What the run finds in `NOTIFY_SOCKET`."""
        self._keepsakes, self._name = keepsakes, f"notify/{run_id}"
        self._trusted: Collection[int] = {0, os.geteuid()} | ({uid} if uid is not None else set())
        self._burst_began = -BURST_TIME
        self._left = 0
        left = keepsakes.take(self._name)
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM, fileno=left)
        try:
            if left is None:
                # Before there is an address: no message comes without its sender.
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
                plain.bind("\0" + self.address[1:])
            keepsakes.keep(self._name, plain.fileno())
            self._socket = trio.socket.from_stdlib_socket(plain)
        except BaseException:
            keepsakes.drop(self._name)
            plain.close()
            raise

    async def receive(self) -> Message:
        """The next message that counts. Cancelling loses none.

        Raises `trio.ClosedResourceError` once it is closed.
        """
        while True:
            await self._wait_turn()
            data, ancillary, flags, _ = await self._socket.recvmsg(MESSAGE_MAX, _ROOM)
            if flags & socket.MSG_TRUNC:
                continue
            for level, kind, content in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                    pid, uid, _gid = _UCRED.unpack(content)
                    if uid in self._trusted:
                        return Message(data, pid, uid, bool(flags & socket.MSG_CTRUNC))

    def close(self) -> None:
        """Nobody is heard any more; the address is gone. Closing again does nothing."""
        self._keepsakes.drop(self._name)
        self._socket.close()

    async def _wait_turn(self) -> None:
        """One run that talks without end takes no more of our time than a few others."""
        if self._left == 0:
            await trio.sleep_until(self._burst_began + BURST_TIME)
            self._burst_began, self._left = trio.current_time(), BURST
        self._left -= 1

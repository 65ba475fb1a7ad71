"""Who is connected, and who has to leave when there are too many."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Guests:
    """The connections of all clients, at most *most*; idle ones make room for new ones.

    So a thousand clients that connect and say nothing keep nobody out.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._present = 0
        self._idle: dict[trio.CancelScope, None] = {}  # the longest idle first
        self._changed = trio.lowlevel.ParkingLot()

    async def make_room(self) -> None:
        """Return when there is room for one more. Cancelling this changes nothing."""
        while self._present >= self._most and not self.dismiss_one():
            await self._changed.park()

    def dismiss_one(self) -> bool:
        """End the connection that has been idle longest; False where all are busy."""
        for scope in self._idle:
            scope.cancel()
            del self._idle[scope]
            return True
        return False

    @contextmanager
    def staying(self) -> Iterator[None]:
        """One connection exists for the time of the block."""
        self._present += 1
        try:
            yield
        finally:
            self._present -= 1
            self._changed.unpark_all()

    @contextmanager
    def idling(self) -> Iterator[None]:
        """One connection waits for its client; the block is cut short to make room."""
        with trio.CancelScope() as scope:
            self._idle[scope] = None
            self._changed.unpark_all()
            try:
                yield
            finally:
                self._idle.pop(scope, None)

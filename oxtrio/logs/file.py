"""One log file as its sinks see it: what cannot be written now waits, or is refused."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

import trio

from oxtrio.logs.backlog import Backlog, Room, Waiting
from oxtrio.logs.index import Writer
from oxtrio.logs.volume import Volume, reason
from oxtrio.model.spec import LogSpec, WhenFull

RETRY_EVERY = 1.0
"""Seconds, while something waits for room on a disk."""


class Owner(Protocol):
    """What a log file asks of the store that owns it."""

    def needs_retry(self, file: "LogFile") -> None: ...

    def has_rotated(self, file: "LogFile") -> None: ...

    def warn(self, text: str) -> None: ...


class LogFile:
    """The one who writes to a log; its sinks share it. Nothing that a disk does makes it raise.

    Output that cannot be written waits in memory or with the caller (`when_full`). Output for
    a file that cannot be opened at all, or that has no reader, is let go.
    """

    def __init__(self, path: str, spec: LogSpec, room: Room, owner: Owner) -> None:
        self.path = path
        self.spec = spec
        self.users = 0
        self.backlog = Backlog(room)
        self.volume = Volume(path, spec, owner.warn)
        self._owner = owner
        self._rotations = 0
        self._has_room = trio.Event()

    def apply(self, spec: LogSpec) -> None:
        """What *spec* asks for holds from now on."""
        self.spec = spec
        self.volume.apply(spec)

    def write(self, writer: Writer, data: bytes, at: float) -> bool:
        """Append *data*; False if nothing of it could be taken now, so that it must come again."""
        self.volume.look(at)
        if self.backlog.torn:
            data = self.backlog.after_gap(writer, data)
        rest = data if self.backlog else self._put(writer, data, at)
        return not rest or self._keep(Waiting(writer, rest, at), begun=len(rest) < len(data))

    def place(self, writer: Writer, at: float) -> tuple[int, int]:
        """Inode, and the offset at which what *writer* writes at *at* comes to stand."""
        self.volume.look(at)
        unsure = self.backlog or self.backlog.torn
        return (0, 0) if unsure else self.volume.place(writer)

    def end(self, writer: Writer, at: float) -> None:
        """Nobody will finish a line that *writer* has begun."""
        self.backlog.end_line(writer, at)
        # The line in the file may go on with what waits.
        if not self.backlog.has(writer):
            self.volume.end(writer)

    def retry(self) -> None:
        """Write what waits, if there is room now, and wake those who wait for room."""
        if self.volume.target is None:
            self.volume.open()
        while self.backlog and not self._gave_up():
            writer, data, at = self.backlog.first()
            rest = self._put(writer, data, at)
            self.backlog.wrote(rest)
            if rest and not self._gave_up():
                self._owner.needs_retry(self)
                break
        event, self._has_room = self._has_room, trio.Event()
        event.set()

    async def wait_room(self) -> None:
        """Return when a write is worth another try. Cancelling it changes nothing."""
        await self._has_room.wait()

    async def wait_retry(self) -> None:
        """Return when its reader takes more, at the latest after `RETRY_EVERY`."""
        with trio.move_on_after(RETRY_EVERY):
            target = self.volume.target
            if self.volume.slow and target is not None:
                with suppress(OSError, trio.ClosedResourceError):
                    await trio.lowlevel.wait_writable(target.fd)
                    return
            await trio.sleep_forever()

    def troubles(self) -> Iterator[str]:
        """What cannot be done at present, one sentence each."""
        if (fault := self.volume.fault) is not None:
            dropped = f" ({self.backlog.dropped} lines dropped)" if self.backlog.dropped else ""
            yield f"cannot write {self.path}: {reason(fault)}{dropped}"
        if (fault := self.volume.rotation_fault) is not None:
            yield f"cannot rotate {self.path}: {reason(fault)}"

    def close(self) -> None:
        """Close the file; what waits is lost."""
        self.backlog.clear()
        self.volume.close()

    def _put(self, writer: Writer, data: bytes, at: float) -> bytes:
        rest = self.volume.put(writer, data, at)
        if self._rotations != self.volume.rotations:
            self._rotations = self.volume.rotations
            self._owner.has_rotated(self)
        return rest

    def _keep(self, waiting: Waiting, *, begun: bool) -> bool:
        """Keep what could not be written, or refuse it as a whole."""
        if self._gave_up():
            return True
        self._owner.needs_retry(self)
        if not self.volume.slow and self.spec.when_full is WhenFull.DROP:
            inside = begun or self.volume.inside_line_of(waiting.writer)
            self.backlog.add(waiting, inside_line=inside)
            return True
        if begun:
            self.backlog.keep(waiting)
        return begun

    def _gave_up(self) -> bool:
        """Whether nothing should wait for this file; then nothing does."""
        if self.volume.hopeless:
            self.backlog.clear()
        return self.volume.hopeless

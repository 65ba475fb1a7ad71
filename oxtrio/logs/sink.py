"""Where the output of one instance goes: file, ring and followers."""

from collections.abc import Callable

import trio

from oxtrio.logs.file import LogFile
from oxtrio.logs.hub import Hub, Ring
from oxtrio.logs.index import Writer
from oxtrio.model.log import Chunk


class Output:
    """What all sinks of one app have in common."""

    def __init__(self, app: str, hub: Hub) -> None:
        self.app = app
        self.hub = hub
        self.ring = Ring(app)
        self.is_in_files = True
        """All of it; else the ring has what nobody else has."""


class Sink:
    """Takes the output of one stream of one instance.

    *whole_lines*: `write` must be given whole lines, because others write to the same file or
    because each line gets a date; only a line over 1 MiB, or the last of a run, may come in
    parts.
    """

    def __init__(
        self,
        output: Output,
        writer: Writer,
        file: LogFile | None,
        *,
        shared: bool = False,
        date: Callable[[float], bytes] | None = None,
    ) -> None:
        self.whole_lines = date is not None or (file is not None and shared)
        self.file = file
        self.writer = writer
        self._output = output
        self._date = date
        self.inside_line = False
        """What was written last was not the end of a line."""

    @property
    def path(self) -> str:
        """Where its log is; "" where it has none."""
        return "" if self.file is None else self.file.path

    def resume(self, *, inside_line: bool) -> None:
        """The run was there before this supervisor, and may be inside a line."""
        self.inside_line = inside_line
        if self.file is not None:
            self.file.volume.resume(self.writer)

    def place(self, at: float) -> tuple[int, int]:
        """Inode and offset where a write at *at* goes; (0, 0) where that is no regular file.

        A write that rotates begins here, and goes on at the beginning of the next file.
        """
        return (0, 0) if self.file is None else self.file.place(self.writer, at)

    def formed(self, data: bytes, at: float) -> bytes:
        """What stands in the log when *data* is written at wall time *at*: with its dates."""
        return data if self._date is None else self._dated(self._date(at), data)

    def write(self, data: bytes, at: float) -> bool:
        """Take *data*, written at wall time *at*; False if nothing of it can be taken now.

        Then it must be given again, perhaps with more behind it, after `wait_room`. It never
        raises and never waits, whatever the disk does.
        """
        return self.append(self.formed(data, at), at)

    def append(self, data: bytes, at: float) -> bool:
        """The same for what is already as it shall stand in the log."""
        if self.file is not None and not self.file.write(self.writer, data, at):
            return False
        self.inside_line = not data.endswith(b"\n")
        output, (instance, stream) = self._output, self.writer
        output.ring.add(at, instance, stream, data)
        if output.hub.followers:
            output.hub.publish(Chunk(at, output.app, instance, stream, data))
        return True

    async def wait_room(self) -> None:
        """Return when a refused write is worth another try. Cancelling it changes nothing."""
        if self.file is None:
            await trio.lowlevel.checkpoint()
        else:
            await self.file.wait_room()

    def end(self, at: float) -> None:
        """The run has ended: what comes next begins a new line."""
        self.inside_line = False
        if self.file is not None:
            self.file.end(self.writer, at)

    def _dated(self, date: bytes, data: bytes) -> bytes:
        lines = data[:-1].replace(b"\n", b"\n" + date) + data[-1:]
        return lines if self.inside_line else date + lines

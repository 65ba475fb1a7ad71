"""From the pipe of a run to its log: peek, write, consume.

What has left the pipe is in the log, so a reader that dies loses nothing; and a mark says how
far it was, so that the next one writes nothing twice. Nothing is decoded; lines are only looked
for where several writers share a file.

What an earlier supervisor has left of it is in process/recovery.py.
"""

import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from typing import NoReturn

import trio

from oxtrio.logs.display import Display
from oxtrio.logs.sink import Sink
from oxtrio.process.surroundings import Surroundings
from oxtrio.system.fifo import LARGEST, Pipe
from oxtrio.system.mark import Mark, Move

DRAIN = 2.0
"""Seconds that reading may go on after the end of a run: a grandchild may never stop writing."""

STREAMS = ("out", "err")

TAIL = 16384
"""Bytes of output that are remembered for a run, to show its last words."""


class Tail:
    """The last of what a run wrote, both streams as they came."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._last: object = None

    def add(self, data: bytes, stream: object = None) -> None:
        """Remember *data* of *stream*; what is older than `TAIL` bytes is forgotten."""
        if stream is not self._last and self._chunks and not self._chunks[-1].endswith(b"\n"):
            data = b"\n" + data  # the line that the other stream has begun is not continued by it
        self._last = stream
        self._chunks.append(data[-TAIL:])
        self._size += len(self._chunks[-1])
        while self._size - len(self._chunks[0]) >= TAIL:
            self._size -= len(self._chunks.popleft())

    def lines(self, count: int) -> tuple[str, ...]:
        """The last *count* lines, decoded with replacement."""
        text = b"".join(self._chunks).decode(errors="replace")
        return tuple(line for line in text.split("\n") if line.strip())[-count:]


class Progress(Enum):
    """What became of one attempt to move output on."""

    MOVED = auto()
    NOTHING_WAITING = auto()
    NO_ROOM = auto()


class Output:
    """One stream of one run on its way to the log."""

    def __init__(
        self, pipe: Pipe, sink: Sink, mark: Mark, tail: Tail, display: Display | None
    ) -> None:
        self.pipe = pipe
        self._sink = sink
        self._mark = mark
        self._tail = tail
        self._display = display
        self._partial = mark.carry
        self._skip, self._at = mark.move.left, mark.move.at
        """Of what comes next the log has so many bytes already, written at that wall time."""
        self.hear: Callable[[bytes], None] | None = None
        """Looks for a line that somebody waits for."""

    async def pump(self) -> NoReturn:
        """Move output on for ever. Cancelling leaves what was not written in the pipe."""
        while True:
            match self.move():
                case Progress.MOVED:
                    await trio.lowlevel.checkpoint()
                case Progress.NOTHING_WAITING:
                    await self.pipe.wait_readable()
                case Progress.NO_ROOM:
                    await self._wait_room()

    def move(self) -> Progress:
        """Write one chunk to the log and take it out of the pipe."""
        data = self.pipe.peek()
        if not data:
            return Progress.NOTHING_WAITING
        if self._display is not None and not self._display.has_room:
            return Progress.NO_ROOM
        whole, partial = self._cut(data)
        if not self._pass_on(whole, partial, len(data), data[-1]):
            return Progress.NO_ROOM
        self._tail.add(data, self)
        if self.hear is not None:
            self.hear(data)
        return Progress.MOVED

    def _pass_on(self, whole: bytes, partial: bytes, count: int, last: int) -> bool:
        """Write *whole*, and take *count* bytes, of which *last* is the last, out of the pipe.

        *partial* waits for its end then. False, and nothing has changed, where there is no room.
        """
        sink, mark, skip = self._sink, self._mark, self._skip
        at = self._at if skip else time.time()
        line = sink.formed(whole, at) if whole else b""
        fresh, left = (line[skip:], max(0, skip - len(line))) if skip else (line, 0)
        inside = not line.endswith(b"\n") if line else sink.inside_line
        inode, offset = sink.place(at) if fresh else (0, 0)
        # Also where nothing is written: the partial line must not count twice.
        mark.begin(Move(inode, offset, skip, len(fresh), count, left, at, inside), partial, last)
        if fresh and not sink.append(fresh, at):
            mark.withdraw()
            return False
        mark.written()
        self.pipe.consume(count, mark.witness)
        mark.clear()
        self._partial, self._skip, self._at = partial, left, at
        sink.inside_line = inside
        return True

    async def _wait_room(self) -> None:
        if self._display is not None and not self._display.has_room:
            await self._display.wait_room()
        else:
            await self._sink.wait_room()

    def _cut(self, data: bytes) -> tuple[bytes, bytes]:
        """What can be written now, and the beginning of a line that waits for its end."""
        if not self._sink.whole_lines:
            return (self._partial + data if self._partial else data), b""
        end = data.rfind(b"\n") + 1
        if end == 0 and len(self._partial) + len(data) <= LARGEST:
            return b"", self._partial + data
        if end == 0 or len(data) - end > LARGEST:
            return self._partial + data, b""
        return (self._partial + data[:end] if self._partial else data[:end]), data[end:]

    async def finish(self) -> None:
        """Move what is left, partial last line included. Cancelling gives the rest up."""
        try:
            while (progress := self.move()) is not Progress.NOTHING_WAITING:
                if progress is Progress.NO_ROOM:
                    await self._wait_room()
                else:
                    await trio.lowlevel.checkpoint()
            while self._partial and not self._pass_on(self._partial, b"", 0, 0):
                await self._wait_room()
        finally:
            self._sink.end(time.time())

    def copy_of_mark(self) -> int | None:
        """A descriptor that says where it stands; None where a file of the run does. `OSError`."""
        return self._mark.copy() if self.pipe.path is None else None

    def close(self) -> None:
        self._mark.close()
        self.pipe.close()


def kept_names(run_id: str) -> tuple[str, str]:
    """The names under which its pipes outlive the supervisor: stdout first."""
    out, err = (f"run/{run_id}/{stream}" for stream in STREAMS)
    return out, err


def mark_of(name: str) -> str:
    """The name for the copy of the mark of the pipe *name*."""
    return f"{name}.mark"


def open_output(
    around: Surroundings, folder: str | None, run_id: str, sinks: Sequence[Sink], tail: Tail
) -> list[Output]:
    """The two streams of a new run, stdout first. Raises `OSError`; then nothing is left open."""
    outputs: list[Output] = []
    try:
        for stream, sink in zip(STREAMS, sinks, strict=True):
            path = os.path.join(folder, f"{run_id}.{stream}") if folder else None
            mark = Mark(f"{path}.mark" if path else None, LARGEST)
            mark.log = sink.path
            pipe = Pipe(path, around.scratch)
            outputs.append(Output(pipe, sink, mark, tail, around.display))
    except OSError:
        for output in outputs:
            output.close()
        remove_marks(folder, run_id)
        raise
    return outputs


def remove_marks(folder: str | None, run_id: str) -> None:
    """The run is over and its output complete: no reader will need the marks."""
    if folder:
        for stream in STREAMS:
            with suppress(OSError):
                os.unlink(os.path.join(folder, f"{run_id}.{stream}.mark"))


@asynccontextmanager
async def reading(outputs: Sequence[Output]) -> AsyncIterator[None]:
    """Read the output while the body runs, and until it is drained after.

    Shielded: a process that is being stopped still writes, and would hang on its pipe if
    nobody read it. Draining is bounded by `DRAIN`.
    """
    pumping = trio.CancelScope(shield=True)

    async def pump_all() -> None:
        with pumping:
            async with trio.open_nursery() as pumps:
                for output in outputs:
                    pumps.start_soon(output.pump)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pump_all)
        try:
            yield
        finally:
            pumping.cancel()
            with trio.move_on_after(DRAIN, shield=True):
                # Side by side: one stream that never ends must not cost the words of the other.
                async with trio.open_nursery() as drains:
                    for output in outputs:
                        drains.start_soon(output.finish)

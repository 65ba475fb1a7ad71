"""The output of apps on the stdout of `oxtrio run`: prefixed lines, JSON lines, or as it is.

Whoever reads our stdout may be slow, and may share it with others: it is written in a thread,
in the blocking mode that it has. While it is full, apps wait, as they would if they wrote to
it themselves; control and signals do not.
"""

import json
import os
import select
import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

import trio

from oxtrio.logs.lines import LineAssembler
from oxtrio.model.log import Chunk, LogLine
from oxtrio.policy.terminal import plain_text, prefix, safe_text
from oxtrio.system.threads import in_thread, is_refusal

ROOM = 1 << 20
"""Bytes that may wait for a slow reader before apps do."""
LAST_WORDS = 2.0
"""Seconds for what still waits at the end."""
COLOURS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How lines are shown."""

    prefix: bool = True
    json: bool = False
    colour: bool = False
    terminal: bool = False
    """Control sequences are neutralised."""


class Display:
    """Takes chunks of all apps and writes their lines to a descriptor."""

    def __init__(self, manner: Manner, names: dict[tuple[str, int], str], target: int = 1) -> None:
        self._manner = manner
        self._names = names
        """(app, instance) → how it is called; shared with its owner, who may add to it."""
        self._target = target
        self._lines = LineAssembler()
        self._waiting: deque[Chunk | bytes] = deque()
        """Output as it came, and lines of our own as they are shown."""
        self._size = 0
        self._broken = False
        self._held = False
        self._arrived = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()

    @property
    def has_room(self) -> bool:
        """Whether more may be put in; otherwise the app should wait."""
        return not self._held and (self._size < ROOM or self._broken)

    async def wait_room(self) -> None:
        """Return when there may be room again. Cancelling changes nothing."""
        if self.has_room:
            await trio.lowlevel.checkpoint()
        else:
            await self._room.park()

    def wants(self, app: str, instance: int) -> bool:
        """It follows the hub, and shows everything."""
        return True

    def put(self, chunk: Chunk) -> None:
        """Show the lines that *chunk* completes. Never waits."""
        self._put(chunk, len(chunk.data))

    async def settle(self) -> None:
        """Take nothing more, so that apps wait, and return when all that was taken is written.

        Cancelling does not change that nothing is taken: `go_on` does.
        """
        self._held = True
        await self._wait_written()

    def go_on(self) -> None:
        """Take output again."""
        self._held = False
        self._room.unpark_all()

    @property
    def begun(self) -> tuple[LogLine, ...]:
        """Lines that are shown when they end."""
        return self._lines.begun()

    def resume(self, begun: Iterable[LogLine]) -> None:
        """Lines that the program before us had begun to show."""
        for line in begun:
            self._lines.add(Chunk(line.at, line.app, line.instance, line.stream, line.data))

    def say(self, name: str, text: str) -> None:
        """A line of oxtrio's own, in the same manner."""
        if not self._manner.json:
            line = self._prefix(name) + text.encode() + b"\n"
            self._put(line, len(line))

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> NoReturn:
        """Write what was put in, for ever. Cancelling gives the rest a bounded time."""
        # One writer to the end: a second one beside it would write into the middle of its lines.
        writing = trio.CancelScope(shield=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write_for_ever, writing)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                with trio.move_on_after(LAST_WORDS, shield=True):
                    await self._wait_written()
                    rest = b"".join(map(self._shown, self._lines.flush()))
                    self._put(rest, len(rest))
                    await self._wait_written()
                writing.cancel()

    async def _wait_written(self) -> None:
        while self._size:
            await self._room.park()

    async def _write_for_ever(self, scope: trio.CancelScope) -> None:
        with scope:
            while True:
                if not self._waiting:
                    await self._arrived.park()
                await self._write_waiting()

    async def _write_waiting(self) -> None:
        taken = list(self._waiting)
        self._waiting.clear()
        # In a thread, as a busy app may write half a million lines at a time.
        data = await in_thread(self._all_shown, taken)
        if data:
            await self._write(data)
        self._size -= sum(len(each.data if isinstance(each, Chunk) else each) for each in taken)
        self._room.unpark_all()

    async def _write(self, data: bytes) -> None:
        try:
            await trio.to_thread.run_sync(_write_all, self._target, data, abandon_on_cancel=True)
        except OSError:
            # Nobody reads any more. The apps go on, as their log files may still be there.
            self._broken = True
        except RuntimeError as error:
            if not is_refusal(error):
                raise
            await self._write_without_thread(data)

    async def _write_without_thread(self, data: bytes) -> None:
        """So little at a time that it cannot block, when more is taken."""
        view = memoryview(data)
        try:
            while view:
                with suppress(PermissionError):  # a file, which always takes more
                    await trio.lowlevel.wait_writable(self._target)
                view = view[os.write(self._target, view[: select.PIPE_BUF]) :]
        except OSError:
            self._broken = True

    def _put(self, what: Chunk | bytes, size: int) -> None:
        if self._broken:
            return
        self._waiting.append(what)
        self._size += size
        self._arrived.unpark_all()

    def _all_shown(self, waiting: list[Chunk | bytes]) -> bytes:
        return b"".join(
            each if isinstance(each, bytes) else self._shown_of(each) for each in waiting
        )

    def _shown_of(self, chunk: Chunk) -> bytes:
        """The lines that *chunk* completes, as they are shown."""
        lines = self._lines.add(chunk)
        if not lines or self._manner.json or self._manner.terminal:
            return b"".join(map(self._shown, lines))
        before = self._prefix(self._name_of(lines[0]))
        return b"".join(before + line.data + b"\n" for line in lines)

    def _shown(self, line: LogLine) -> bytes:
        name = self._name_of(line)
        if self._manner.json:
            return _as_json(line, name)
        if not self._manner.terminal:
            return self._prefix(name) + line.data + b"\n"
        text = safe_text(line.data) if self._manner.colour else plain_text(line.data)
        return self._prefix(name) + text.encode() + b"\n"

    def _name_of(self, line: LogLine) -> str:
        return self._names.get((line.app, line.instance), line.app)

    def _prefix(self, name: str) -> bytes:
        if not self._manner.prefix:
            return b""
        names = list(dict.fromkeys([*self._names.values(), name]))
        width = max(map(len, names))
        colour = names.index(name) % COLOURS if self._manner.colour else None
        return prefix(name, width, colour).encode()


def _as_json(line: LogLine, name: str) -> bytes:
    at = datetime.fromtimestamp(line.at).astimezone().isoformat(timespec="milliseconds")
    text = line.data.decode(errors="replace")
    record = {"time": at, "name": name, "stream": line.stream, "line": text}
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def _write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


def stdout_is_terminal() -> bool:
    """Whether a person may be looking."""
    return sys.stdout is not None and os.isatty(1)

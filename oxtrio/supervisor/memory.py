"""`state.json`: written by whoever changes something, a few times a second at most.

    memory = Memory(folder, snapshot)      # folder None: nothing is kept
    nursery.start_soon(memory.serve)       # writes; once more when it is cancelled
    memory.changed()                       # cheap, and any number of times
    memory.warnings()                      # what `status` shows while it cannot be written
    Memory.load(folder, warn)              # Remembered | None, at the start

*snapshot* returns a `Remembered` (supervisor/remembered.py; `Versions` there makes one cheap).
It is called in the main thread between two awaits, so that it is of one moment; all the rest is
done in a thread. The file is the old one or the new one, whatever happens: to the supervisor
or to the machine.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import trio

from oxtrio.process.record import Finished
from oxtrio.supervisor.remembered import STATE, Remembered, bytes_of, load
from oxtrio.system.threads import in_thread

EVERY = 0.2
"""Seconds between two writes, at least."""
SHARE = 20
"""A write that takes long makes the next one wait for so many times as long."""
RETRY_EVERY = 1.0
"""Seconds until a write that failed is tried again, whether anything has changed or not."""
PATIENCE = 5.0
"""Seconds that a write may take; a disk that hangs must not hold up the end."""


class Memory:
    """Keeps the file as the supervisor is. What a disk does never makes it raise."""

    load = staticmethod(load)

    def __init__(
        self,
        folder: str | None,
        snapshot: Callable[[], Remembered],
        finished: Finished | None = None,
    ) -> None:
        """*finished*: what need not be kept any more once it is remembered here."""
        self._path = os.path.join(folder, STATE) if folder else None
        self._snapshot = snapshot
        self._finished = finished or Finished()
        self._finished.is_remembered = self._path is not None
        self._dirty = trio.Event()
        self._number = 0
        self._last = b""
        self._trouble = ""
        for number in range(2) if self._path else ():  # what a write that was cut short has left
            with suppress(OSError):
                os.unlink(f"{self._path}.new{number}")

    def changed(self) -> None:
        """Something is different: it will be written soon."""
        self._dirty.set()

    def warnings(self) -> tuple[str, ...]:
        """Why it cannot be written at present."""
        return (self._trouble,) if self._trouble else ()

    async def serve(self) -> NoReturn:
        """Write what changes. Cancelling writes once more, within `PATIENCE`."""
        try:
            while True:
                await self._dirty.wait()
                began = trio.current_time()
                await self.write()
                took = trio.current_time() - began
                if self._trouble:
                    self._dirty.set()
                await trio.sleep(max(RETRY_EVERY if self._trouble else EVERY, SHARE * took))
        finally:
            self._dirty.set()
            await self.write()  # noqa: ASYNC102 - shields and bounds itself

    async def write(self) -> None:
        """Write what is now, if anything has changed. Shielded, and bounded by `PATIENCE`."""
        if self._path is None or not self._dirty.is_set():
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        self._dirty = trio.Event()
        self._number += 1
        finished = self._finished.take()
        with trio.move_on_after(PATIENCE, shield=True) as patience:
            self._trouble = await in_thread(
                self._write, self._snapshot(), self._path, self._number, abandon_on_cancel=True
            )
        if patience.cancelled_caught:
            self._trouble = f"cannot write {self._path}: the disk does not answer"
        for each in finished:  # a full disk must not let them grow without bound
            each.remove()

    def _write(self, remembered: Remembered, path: str, number: int) -> str:
        """In a thread: what went wrong, in a sentence."""
        new = f"{path}.new{number % 2}"
        try:
            content = bytes_of(remembered)
            if content == self._last and os.path.exists(path):
                return ""
            _write_durably(new, content)
            # One that was given up on may come late: it must not undo a later one.
            if number == self._number:
                os.replace(new, path)
                _sync_folder(os.path.dirname(path))
                self._last = content
        except OSError as error:
            with suppress(OSError):
                os.unlink(new)
            return f"cannot write {path}: {(error.strerror or str(error)).lower()}"
        return ""


def _write_durably(path: str, content: bytes) -> None:
    """A file of just this content, for us alone. Raises `OSError`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        os.fchmod(descriptor, 0o600)  # it may be left of a write that never ended
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: str) -> None:
    """See to it that a rename in it outlives the machine. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

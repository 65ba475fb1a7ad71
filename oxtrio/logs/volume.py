"""A log under its name: the file that has it now, rotated, moved away, or gone meanwhile."""

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress

import trio

from oxtrio.logs.backlog import LINE_MAX
from oxtrio.logs.index import Index, Writer, index_name
from oxtrio.logs.rotation import Moves, rotate
from oxtrio.logs.target import Target, open_target
from oxtrio.model.log import Stream
from oxtrio.model.spec import LogSpec

LOOK_EVERY = 1.0
"""Seconds, while output comes: is the file still the one with its name? Has it a reader now?"""
OPEN_EVERY = 10.0
"""Seconds, while output comes: can it be opened now?"""

_SOON = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Why a file that cannot be opened now can be soon."""
_NO_READER = (errno.ENXIO, errno.EPIPE)
_NOBODY = Writer(-1, Stream.STDOUT)
"""Who wrote the beginning of a line that nobody will finish."""


class Volume:
    """Appends to the file that has the name *path*. Nothing that a disk does makes it raise."""

    def __init__(self, path: str, spec: LogSpec, warn: Callable[[str], None]) -> None:
        self.path = path
        self.moves = Moves()
        self.target: Target | None = None
        self.fault: OSError | None = None
        """Why it cannot be written; None while all is well."""
        self.rotation_fault: OSError | None = None
        self.rotations = 0
        self._spec = spec
        self._warn = warn
        self._index = Index(index_name(path))
        self._line_of: Writer | None = None  # whose line at the end of the file is incomplete
        self._leaving = False  # goes on in a new file as soon as the line is complete
        self._rotate_at = 0
        self._looked = self._tried = 0.0
        self.open()

    @property
    def slow(self) -> bool:
        """It is a FIFO or terminal that is full at the moment."""
        return self.fault is not None and self.fault.errno == errno.EAGAIN

    @property
    def hopeless(self) -> bool:
        """It is not open, and nothing says that it can be soon: nothing should wait for it."""
        return self.target is None and not (self.fault and self.fault.errno in _SOON)

    def apply(self, spec: LogSpec) -> None:
        """The limits of *spec* hold from now on."""
        self._spec = spec
        self._rotate_at = spec.max_size or sys.maxsize

    def put(self, writer: Writer, data: bytes, at: float) -> bytes:
        """Append *data*, rotating where a line ends; what could not be written is returned."""
        while data and (target := self.target) is not None:
            cut = self._cut(target, data)
            gap = self._gap(writer)
            piece = gap + data[:cut] if gap or cut < len(data) else data
            self._index.note(writer, target.size + len(gap), at)
            done, self.fault = target.append(piece)
            if done:
                self._line_of = None if piece[done - 1] == 10 else writer
            if self.fault is not None:
                self._failed(self.fault)
                return data[max(0, done - len(gap)) :]
            data = data[cut:] if cut < len(data) else b""
            if self._leaving or target.size >= self._rotate_at:
                self._settle()
        return data

    def place(self, writer: Writer) -> tuple[int, int]:
        """Inode, and the offset at which the next bytes of *writer* come to stand."""
        if self.target is None or not self.target.regular:
            return 0, 0
        return self.target.inode, self.target.size + len(self._gap(writer))

    def inside_line_of(self, writer: Writer) -> bool:
        """Whether the file ends with a line that *writer* has begun."""
        return self._line_of == writer

    def end(self, writer: Writer) -> None:
        """Nobody will finish a line that *writer* has begun."""
        if self._line_of == writer:
            self._line_of = _NOBODY
            self._settle()

    def resume(self, writer: Writer) -> None:
        """*writer* goes on where it stood before the supervisor was replaced, if it wrote last."""
        last = self._index.last
        if self._line_of == _NOBODY and last is not None and last.writer == writer:
            self._line_of = writer

    def unfinished(self) -> tuple[Writer, bytes, float] | None:
        """The line at the end that its writer has not finished yet, and when it began."""
        writer, last = self._line_of, self._index.last
        if self.target is not None and self.target.regular and writer not in (None, _NOBODY):
            with suppress(OSError):
                return writer, self.target.last_line(), last.at if last else self._looked
        return None

    def extent(self) -> tuple[int, int]:
        """What a reader knows this file by under any name, and its size."""
        if self.target is None or not self.target.regular:
            return 0, 0
        return self._index.identity or self.target.inode, self.target.size

    def look(self, at: float) -> None:
        """See to it that the file with the name is the one that is written, once a second."""
        if 0 <= at - self._looked < LOOK_EVERY:
            return
        self._looked = at
        if self.target is None:
            patience = LOOK_EVERY if self._has_no_reader else OPEN_EVERY
            if not 0 <= at - self._tried < patience:
                self._tried = at
                self.open()
        elif self.target.regular and self._moved(self.target):
            self._leaving = True
            self._settle()

    def reopen(self) -> None:
        """Go on in the file that has the name now; a line that has begun is finished first."""
        if self.target is None or not self.target.regular:
            self._change()
        elif self._moved(self.target):
            self._leaving = True
            self._settle()

    def open(self) -> None:
        """Open the file, if that can be done now."""
        self._leaving = False
        self._line_of = None
        self._rotate_at = self._spec.max_size or sys.maxsize
        try:
            self.target = target = open_target(self.path)
        except OSError as error:
            self._failed(error)
            return
        if target.regular:
            self._index.open(target.inode, target.size)
            self._line_of = None if target.line_end() else _NOBODY
            self._settle()

    def close(self) -> None:
        self._index.close()
        if self.target is not None:
            trio.lowlevel.notify_closing(self.target.fd)
            os.close(self.target.fd)
        self.target = None

    def _gap(self, writer: Writer) -> bytes:
        return b"" if self._line_of is None or self._line_of == writer else b"\n"

    def _cut(self, target: Target, data: bytes) -> int:
        """How much of *data* still belongs into this file."""
        if self._leaving:
            return data.find(b"\n") + 1 or len(data)
        over = target.size + len(data) - self._rotate_at
        if over < 0 or not target.regular:
            return len(data)
        line_end = data.find(b"\n", max(0, len(data) - over - 1)) + 1
        return line_end or min(len(data), max(1, len(data) - over + LINE_MAX))

    def _settle(self) -> None:
        """Rotate, or go on in another file, where a line is complete."""
        if self.target is None or not self.target.regular:
            return
        over = self.target.size - self._rotate_at
        if self._line_of not in (None, _NOBODY) and over < LINE_MAX:
            return
        if self._leaving:
            self._index.follow(self.target.fd)
            self._change()
        elif over >= 0:
            self._rotate(self.target)

    def _rotate(self, target: Target) -> None:
        with self.moves:
            try:
                rotate(self.path, self._spec.max_files)
            except OSError as error:
                self._rotate_at = target.size + LINE_MAX
                self.rotation_fault = error
                self._warn(f"cannot rotate {self.path}: {reason(error)}")
                return
            self.rotation_fault = None
            self.rotations += 1
            self._change()

    def _change(self) -> None:
        self.close()
        self.open()

    def _failed(self, error: OSError) -> None:
        self.fault = error
        if error.errno == errno.EPIPE:
            self.close()
        if error.errno != errno.EAGAIN:
            self._warn(f"cannot write {self.path}: {reason(error)}")

    @property
    def _has_no_reader(self) -> bool:
        return self.fault is not None and self.fault.errno in _NO_READER

    def _moved(self, target: Target) -> bool:
        """Whether another file has the name now; also takes note of a file that was cut."""
        try:
            there = os.stat(self.path)
        except OSError:
            return True
        if there.st_ino != target.inode:
            return True
        if there.st_size < target.size:
            self._index.cut(there.st_size)
            self._line_of = None
        target.size = there.st_size
        return False


def reason(error: OSError) -> str:
    """Why, in words for the operator."""
    if error.errno == errno.EAGAIN:
        return "its reader does not keep up"
    if error.errno in _NO_READER:
        return "nobody reads it"
    return (error.strerror or str(error)).lower()

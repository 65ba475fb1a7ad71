"""A log that is followed, from file to file, while it is written and rotated."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from benchmarks.failure import Failed

PATIENCE = 5.0
"""Seconds after which a file that was read from a moment ago is gone, not just being renamed."""
PIECE = 1 << 20


class Trail:
    """Gives each line of a log once. No file may be removed before it was read to its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inode = 0
        self._offset = 0
        self._partial = b""

    def lines(self) -> Iterator[bytes]:
        """What was added since the last time, without newlines. Raises `Failed`."""
        with ExitStack() as opened:
            for file in self._files(opened):
                number = os.fstat(file.fileno()).st_ino
                if number != self._inode:
                    self._inode, self._offset = number, 0
                file.seek(self._offset)
                while data := file.read(PIECE):
                    self._offset += len(data)
                    *whole, self._partial = (self._partial + data).split(b"\n")
                    yield from whole

    def rest(self) -> bytes:
        """A last line without newline."""
        return self._partial

    def _files(self, opened: ExitStack) -> list[BinaryIO]:
        """From the one that was read last on, oldest first."""
        deadline = time.monotonic() + PATIENCE
        while True:
            before = _inodes(self.path)
            found = self._open(before, opened)
            if found is not None and _inodes(self.path) == before:
                return found
            if time.monotonic() > deadline:
                raise Failed(f"{self.path.name}: the file that was read last is gone")
            time.sleep(0.01)

    def _open(self, inodes: dict[Path, int], opened: ExitStack) -> list[BinaryIO] | None:
        numbers = list(inodes.values())
        if self._inode and self._inode not in numbers:
            return None
        chosen = list(inodes)[numbers.index(self._inode) if self._inode else 0 :]
        try:
            files = [opened.enter_context(path.open("rb")) for path in chosen]
        except FileNotFoundError:
            return None
        same = all(
            os.fstat(file.fileno()).st_ino == inodes[path]
            for path, file in zip(chosen, files, strict=True)
        )
        return list(files) if same else None


def _inodes(path: Path) -> dict[Path, int]:
    """The files of a log, oldest first."""
    found: dict[int, tuple[Path, int]] = {}
    if path.parent.is_dir():
        for entry in os.scandir(path.parent):
            suffix = entry.name.removeprefix(path.name)
            if entry.name == path.name:
                found[0] = Path(entry.path), entry.inode()
            elif suffix[:1] == "." and suffix[1:].isdigit() and entry.name.startswith(path.name):
                found[int(suffix[1:])] = Path(entry.path), entry.inode()
    return dict(found[number] for number in sorted(found, reverse=True))

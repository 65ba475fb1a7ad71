"""How far a write has come that nobody saw the end of: the log itself tells.

To be asked before anybody writes to the log again.
"""

import os
from contextlib import suppress

from oxtrio.logs.rotation import rotated


def bytes_kept(path: str, inode: int, offset: int, written: int) -> int:
    """How many bytes the log *path* has of a write of *written* bytes that began at *offset*.

    The beginning of a line is taken out again where the write was cut short: others may write
    to the file before that line is written anew.
    """
    found = min(bytes_since(path, inode, offset), written)
    return found - _taken_back(path, inode, offset) if 0 < found < written else found


def _taken_back(path: str, inode: int, offset: int) -> int:
    """Cut the last file of the log where its last line begins; how many bytes that were."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            there = os.fstat(descriptor)
            start = offset if there.st_ino == inode else 0
            begun = os.pread(descriptor, there.st_size - start, start)
            end = begun.rfind(b"\n") + 1
            os.ftruncate(descriptor, start + end)
            return len(begun) - end
        finally:
            os.close(descriptor)
    return 0


def bytes_since(path: str, inode: int, offset: int) -> int:
    """How many bytes the log *path* has from *offset* of the file with *inode* on.

    What was written after a rotation counts, and so does a file that was moved away beside it.
    0 where the file is gone: whoever writes it again then writes nothing twice.
    """
    newer = 0
    numbers = rotated(path)
    for name in (path, *(numbers[number] for number in sorted(numbers))):
        found = _stat(name)
        if found is not None and found[0] == inode:
            beyond = found[1] - offset
            return newer + beyond if beyond >= 0 else 0
        newer += found[1] if found is not None else 0
    moved = _size_of_moved(path, inode)
    if moved is None or moved < offset:
        return 0
    there = _stat(path)
    return moved - offset + (there[1] if there is not None else 0)


def _size_of_moved(path: str, inode: int) -> int | None:
    """The size of the file with *inode*, if somebody gave it another name in the same folder."""
    with suppress(OSError), os.scandir(os.path.dirname(path)) as entries:
        for entry in entries:
            if entry.inode() == inode and entry.is_file(follow_symlinks=False):
                return entry.stat(follow_symlinks=False).st_size
    return None


def _stat(name: str) -> tuple[int, int] | None:
    """Inode and size."""
    with suppress(OSError):
        found = os.lstat(name)
        return found.st_ino, found.st_size
    return None

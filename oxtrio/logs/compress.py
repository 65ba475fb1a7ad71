"""Gzip of rotated logs, in a thread, one at a time, and in nobody's way."""

import gzip
import os
import shutil
import stat
from contextlib import suppress

import trio

from oxtrio.logs.rotation import PACKED, Moves, rotated
from oxtrio.system.threads import is_refusal

_SUFFIX = ".gz.tmp"
_BLOCK = 256 * 1024
_LEVEL = 6


async def compress_rotated(path: str, moves: Moves) -> None:
    """Pack every rotated file of *path* that is not packed yet, the oldest first.

    A file that cannot be packed stays as it is. Cancelling leaves no half-packed file.
    """
    failed: set[int] = set()
    while (plain := _oldest_plain(path, failed)) is not None:
        name, inode = plain
        temporary = f"{path}.{inode}{_SUFFIX}"
        try:
            packed = await trio.to_thread.run_sync(_pack, name, inode, temporary)
        except OSError:
            packed = False
        except RuntimeError as error:
            if not is_refusal(error):
                raise
            packed = False
        if packed:
            with moves:
                _put_in_place(path, inode, temporary)
        else:
            failed.add(inode)


def clean_up(path: str) -> None:
    """Remove what an interrupted compression of *path* left."""
    folder, name = os.path.split(path)
    with suppress(OSError):
        for entry in os.listdir(folder):
            number = entry.removeprefix(f"{name}.").removesuffix(_SUFFIX)
            if entry == f"{name}.{number}{_SUFFIX}" and number.isdigit():
                os.unlink(os.path.join(folder, entry))


def _oldest_plain(path: str, failed: set[int]) -> tuple[str, int] | None:
    for _, name in sorted(rotated(path).items(), reverse=True):
        if not name.endswith(PACKED):
            with suppress(OSError):
                inode = os.stat(name).st_ino
                if inode not in failed:
                    return name, inode
    return None


def _pack(name: str, inode: int, temporary: str) -> bool:
    try:
        with open(name, "rb", opener=_own) as plain:
            found = os.fstat(plain.fileno())
            if found.st_ino != inode or not stat.S_ISREG(found.st_mode):
                return False  # moved on since; the next round finds it
            with open(temporary, "xb", opener=_private) as file:
                with gzip.GzipFile("", "wb", _LEVEL, file, found.st_mtime) as packed:
                    while block := plain.read(_BLOCK):
                        trio.from_thread.check_cancelled()
                        packed.write(block)
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(name, temporary)
            os.utime(temporary, ns=(found.st_atime_ns, found.st_mtime_ns))
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    return True


def _own(path: str, flags: int) -> int:
    # Whoever may write in the folder could put a link or a pipe there.
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _put_in_place(path: str, inode: int, temporary: str) -> None:
    """Give the packed file the number that its original has by now."""
    for number, name in rotated(path).items():
        with suppress(OSError):
            if not name.endswith(PACKED) and os.stat(name).st_ino == inode:
                os.rename(temporary, f"{path}.{number}{PACKED}")
                os.unlink(name)
                return
    with suppress(OSError):
        os.unlink(temporary)  # too old by now: nobody keeps the original either

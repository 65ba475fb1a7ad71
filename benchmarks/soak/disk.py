"""A small disk that nobody else sees, in a mount namespace of our own."""

import ctypes
import os
from contextlib import suppress
from pathlib import Path

_CLONE_NEWNS = 0x00020000  # unshare(2)
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18  # mount(2)
_MNT_DETACH = 2  # umount2(2)
MIB = 1 << 20


class Disk:
    """A file system of *size* bytes at *folder*, which others see as an empty folder."""

    def __init__(self, folder: Path, size: int) -> None:
        """To be called before there are threads. Raises `OSError` where that is not allowed."""
        folder.mkdir()
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"size={size},mode=755".encode()
        # One after the other: nothing is mounted where it would be seen by all.
        failed = (
            libc.unshare(_CLONE_NEWNS)
            or libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
            or libc.mount(b"soak", os.fsencode(folder), b"tmpfs", 0, options)
        )
        if failed:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """There is no room any more."""
        with suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while file.write(bytes(MIB)):
                pass

    def close(self) -> None:
        """It is gone, and *folder* can be removed."""
        ctypes.CDLL(None).umount2(os.fsencode(self.folder), _MNT_DETACH)

    def empty(self) -> None:
        """There is room again."""
        self._filler.unlink(missing_ok=True)

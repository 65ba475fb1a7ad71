"""A small disk that nobody else sees, in a mount namespace of our own."""

import ctypes
import os
from contextlib import suppress
from pathlib import Path

_CLONE_NEWNS = 0x00020000  # unshare(2)
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18  # mount(2)
MIB = 1 << 20


class Disk:
    """A file system of *size* bytes at *folder*. It ends with this process and all it started."""

    def __init__(self, folder: Path, size: int) -> None:
        """To be called before there are threads. Raises `OSError` where that is not allowed."""
        folder.mkdir()
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"size={size},mode=755".encode()
        for failed in (
            libc.unshare(_CLONE_NEWNS),
            libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None),
            libc.mount(b"soak", os.fsencode(folder), b"tmpfs", 0, options),
        ):
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

    def empty(self) -> None:
        """There is room again."""
        self._filler.unlink(missing_ok=True)

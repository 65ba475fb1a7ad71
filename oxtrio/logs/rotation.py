"""Names of rotated logs, and moving them on: `<file>` becomes `<file>.1`, that `.2`, and so on."""

import os
from contextlib import suppress

from oxtrio.logs.index import index_name

PLAIN, PACKED = "", ".gz"


class Moves:
    """Lets a reader in another thread see whether names stood still: *stamp* is odd while not."""

    __slots__ = ("stamp",)

    def __init__(self) -> None:
        self.stamp = 0

    def __enter__(self) -> None:
        self.stamp += 1

    def __exit__(self, *_: object) -> None:
        self.stamp += 1


def rotated(path: str) -> dict[int, str]:
    """The rotated files of *path* by number; the packed one only where no plain one is left."""
    folder, name = os.path.split(path)
    found: dict[int, str] = {}
    with suppress(OSError):
        for entry in os.listdir(folder):
            if not entry.startswith(f"{name}."):
                continue
            number = entry[len(name) + 1 :].removesuffix(PACKED)
            if number.isascii() and number.isdigit() and not number.startswith("0"):
                if entry.endswith(PACKED) and int(number) in found:
                    continue
                found[int(number)] = os.path.join(folder, entry)
    return found


def rotate(path: str, keep: int) -> None:
    """Move *path* to `.1` and all others one on; those beyond *keep* are removed.

    Raises OSError where *path* itself cannot be moved; it is still there then.
    """
    there = rotated(path)
    gap = next(number for number in range(1, len(there) + 2) if number not in there)
    # From the oldest on, so that a crash in between overwrites nothing and leaves one gap.
    for number in sorted(there, reverse=True):
        if number >= keep:
            _remove(path, number)
        elif number < gap:
            _rename(path, number)
    if keep > 0:
        os.rename(path, f"{path}.1")
        with suppress(OSError):
            os.rename(index_name(path), index_name(f"{path}.1"))
    else:
        os.unlink(path)
        with suppress(OSError):
            os.unlink(index_name(path))


def _rename(path: str, number: int) -> None:
    for suffix in (PLAIN, PACKED, ".idx"):
        with suppress(FileNotFoundError):
            os.rename(f"{path}.{number}{suffix}", f"{path}.{number + 1}{suffix}")


def _remove(path: str, number: int) -> None:
    for suffix in (PLAIN, PACKED, ".idx"):
        with suppress(OSError):
            os.unlink(f"{path}.{number}{suffix}")

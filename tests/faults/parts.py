"""The files of a log."""

from pathlib import Path


def parts(folder: Path, name: str) -> list[Path]:
    """The log file *name* with its rotated parts, oldest first."""
    rotated = [each for each in folder.glob(f"{name}.*") if each.suffix[1:].isdigit()]
    return [*sorted(rotated, key=lambda each: -int(each.suffix[1:])), folder / name]

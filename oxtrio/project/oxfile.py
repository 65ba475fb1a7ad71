"""Reading the text of oxfiles from disk, strictly and bounded."""

import os
import stat
from collections.abc import Sequence

from oxtrio.errors import ConfigError, Problem
from oxtrio.model.facts import Source

LARGEST = 4 * 1024 * 1024
"""Bytes; no oxfile that a person wrote comes near."""


def read_sources(files: Sequence[str]) -> tuple[Source, ...]:
    """The texts of *files*. Raises `ConfigError` for what is no readable text file."""
    return tuple(Source(path, _read(path)) for path in files)


def _read(path: str) -> str:
    try:
        # Without O_NONBLOCK a FIFO would keep us waiting for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"cannot read '{path}': {error.strerror}", _hint(error)) from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"'{path}' is not a regular file")
        _refuse_writable(path, found)
        raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise ConfigError(f"'{path}' is too large: more than {LARGEST >> 20} MiB")
    return _decode(path, raw)


def _hint(error: OSError) -> str:
    return "name the oxfile by -c FILE" if isinstance(error, FileNotFoundError) else ""


def _decode(path: str, raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = Problem(path, line, f"not UTF-8: byte 0x{raw[error.start]:02x}")
        name = os.path.basename(path)
        raise ConfigError(f"{name} is not valid: 1 problem", problems=(problem,)) from error


def _refuse_writable(path: str, found: os.stat_result) -> None:
    """Whoever can write an oxfile that root runs, is root."""
    if os.geteuid() != 0:
        return
    if found.st_mode & stat.S_IWOTH:
        raise ConfigError(f"'{path}' is writable for everybody", f"chmod o-w '{path}'")
    folder = os.path.dirname(os.path.realpath(path))
    mode = os.stat(folder).st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise ConfigError(f"the folder of '{path}' is writable for everybody", f"chmod o-w {folder}")

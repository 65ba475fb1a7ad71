"""Reading the text of oxfiles from disk, strictly and bounded."""

import os
import stat
from collections.abc import Sequence

from oxtrio.errors import ConfigError, Problem, Refused
from oxtrio.model.facts import Source

LARGEST = 4 * 1024 * 1024
"""Bytes; no oxfile that a person wrote comes near."""


def read_sources(files: Sequence[str]) -> tuple[Source, ...]:
    """The texts of *files*.

    Raises `ConfigError` with a problem for each that is no readable text file, and `Refused`
    where anybody could have written what root is to run.
    """
    sources, errors = [], {}
    for path in files:
        try:
            sources.append(Source(path, _read(path)))
        except ConfigError as error:
            errors[path] = error
    if len(errors) == 1:
        raise next(iter(errors.values()))
    if errors:
        raise ConfigError(
            f"{len(errors)} files cannot be read",
            problems=tuple(
                problem
                for path, error in errors.items()
                for problem in error.problems or (Problem(path, 0, error.message, error.hint),)
            ),
        )
    return tuple(sources)


def _read(path: str) -> str:
    # Without O_NONBLOCK a FIFO would keep us waiting for a writer.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ConfigError(f"cannot read '{path}': it is not a regular file")
            _refuse_writable(path, found)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                raw = file.read(LARGEST + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(f"cannot read '{path}': {_why(error)}", _hint(error)) from error
    if len(raw) > LARGEST:
        raise ConfigError(f"'{path}' is too large: more than {LARGEST >> 20} MiB")
    return _decode(path, raw)


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


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
        raise Refused(f"root does not run '{path}': anybody can write it", f"chmod o-w '{path}'")
    # A link stands in a folder of its own. A sticky folder is none for root either: anybody
    # could have put the file there.
    for folder in {os.path.dirname(path), os.path.dirname(os.path.realpath(path))}:
        if os.stat(folder).st_mode & stat.S_IWOTH:
            raise Refused(
                f"root does not run '{path}': anybody can write to its folder",
                f"move it to a folder of its own, or: chmod o-w '{folder}'",
            )

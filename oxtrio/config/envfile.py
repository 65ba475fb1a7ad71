"""Reads `.env` files, by python-dotenv; a `$` in them is literal."""

from io import StringIO
from pathlib import Path
from stat import S_ISREG
from typing import Final

from dotenv.parser import Binding, parse_stream

from oxtrio.errors import ConfigError, Problem

LARGEST: Final = 1024 * 1024
"""Bytes; what is larger is no environment."""


def read_env_file(path: str) -> dict[str, str]:
    """The variables of the file *path*, as they stand there.

    Raises `ConfigError`, which names the file, and the line of everything that is no variable. It
    never opens what is no regular file, and reads at most 1 MiB.
    """
    bindings = list(parse_stream(StringIO(_text(path))))
    problems = tuple(
        Problem(path, _line(binding), what) for binding in bindings if (what := _problem(binding))
    )
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError(f"env_file {path} is not valid: {count}", problems=problems)
    return {binding.key: binding.value or "" for binding in bindings if binding.key is not None}


def _line(binding: Binding) -> int:
    """The line of the variable itself: blank lines before it belong to the binding too."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _problem(binding: Binding) -> str:
    if binding.error:
        return "is no NAME=value"
    if binding.key is not None and binding.value is None:
        return f"{binding.key} has no value: write {binding.key}="
    if "\0" in f"{binding.key}{binding.value}":
        return f"{binding.key!r} contains a NUL character"
    return ""


def _text(path: str) -> str:
    try:
        # Before opening: a FIFO would block, a device would never end.
        if not S_ISREG(Path(path).stat().st_mode):
            raise ConfigError(f"cannot read env_file {path}: it is not a regular file")
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(f"cannot read env_file {path}: {why.lower()}") from None
    if len(content) > LARGEST:
        raise ConfigError(f"cannot read env_file {path}: it is larger than 1 MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"env_file {path} is not valid: 1 problem",
            problems=(Problem(path, line, f"is not UTF-8: byte 0x{content[error.start]:02x}"),),
        ) from None

"""TOML text becomes a table, or a problem with line and column. It never raises."""

import re
import tomllib
from typing import Final

from oxtrio.config.positions import structure
from oxtrio.errors import Problem

# The only place where tomllib of Python 3.11 says where it stopped is its message.
WHERE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
TWICE: Final = re.compile(r"Cannot declare \((.*?),?\) twice")
BOM: Final = "\ufeff"

DEEPEST: Final = 100
"""Levels of tables and arrays: no oxfile needs more than 5."""
TOO_DEEP: Final = "is nested too deeply"


class SyntaxProblem(Problem):
    """A problem of which the column is known too: `file:line:column: what`."""

    __slots__ = ("column",)

    def __init__(self, file: str, line: int, column: int, what: str) -> None:
        super().__init__(file, line, what)
        self.column = column

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.what}"


def parse(file: str, text: str) -> dict[str, object] | Problem:
    """The content of *text*; *file* is for the problem only. A byte order mark is skipped."""
    if _has_endless_key(text):
        return Problem(file, 0, TOO_DEEP)
    try:
        content: dict[str, object] = tomllib.loads(text.removeprefix(BOM))
    except RecursionError:
        return Problem(file, 0, TOO_DEEP)
    except tomllib.TOMLDecodeError as error:
        return _syntax_problem(file, text, str(error))
    except ValueError:
        # The one that Python itself raises: it converts no more than 4300 digits.
        return Problem(file, 0, "contains a number with thousands of digits")
    if not _is_shallow(content):
        return Problem(file, 0, TOO_DEEP)
    return content


def _syntax_problem(file: str, text: str, message: str) -> Problem:
    what = TWICE.sub(lambda found: f"[{_dotted(found[1])}] stands here twice", message)
    found = WHERE.search(what)
    if found is None:
        return Problem(file, 0, f"is no TOML: {what}")
    what = f"is no TOML: {what[: found.start()]}"
    if found[1]:
        return SyntaxProblem(file, int(found[1]), int(found[2]), what)
    lines = text.split("\n")
    return SyntaxProblem(file, len(lines), len(lines[-1]) + 1, f"{what} at the end of the file")


def _dotted(names: str) -> str:
    return ".".join(name.strip(" '\"") for name in names.split(","))


def _has_endless_key(text: str) -> bool:
    """Whether a dotted key has so many parts that tomllib, quadratic in them, would hang."""
    between = re.split(r"[=,{}\[\]\n]", structure(text))
    return any(part.count(".") > DEEPEST for part in between)


def _is_shallow(content: object) -> bool:
    """Whether every walk through *content* ends before Python's stack does."""
    level: list[object] = [content]
    for _ in range(DEEPEST):
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        if not inner:
            return True
        level = inner
    return False

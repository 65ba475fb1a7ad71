"""What the last lines of an app say about why it ended.

Lines come decoded, oldest first, as the app wrote them: any length, any control sequences.
The words are those of shells, Python and the servers that Python people use.
"""

import re
import shlex
from collections.abc import Iterator, Sequence

Lines = Sequence[str]
Command = str | tuple[str, ...]

LONGEST = 500
"""Characters of a line that are looked at: patterns must stay cheap on a line of 1 MiB."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def plain(lines: Lines) -> list[str]:
    """*lines* without colour and trailing space, and cut to a length that is safe to search."""
    return [_COLOUR.sub("", line[:LONGEST]).rstrip() for line in lines]


def words_of(command: Command) -> list[str]:
    """The words of *command*, as far as they can be told without running a shell."""
    if not isinstance(command, str):
        return list(command)
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def program_of(command: Command) -> str:
    """The first word that is not an assignment nor `exec`; "" where there is none."""
    for word in words_of(command):
        if word != "exec" and (not isinstance(command, str) or not _ASSIGNMENT.match(word)):
            return word
    return ""


_NOT_FOUND = (
    re.compile(
        r"^\S*sh: (?:line )?(?:\d+: )?(?:exec: )?(?P<program>[^:]+): (?:command )?not found$"
    ),
    re.compile(r"^\S*sh: (?:line )?(?:\d+: )?(?:exec: )?(?P<program>[^:]+): No such file or dir"),
    re.compile(r"^\S*sh: (?:line )?(?:\d+: )?(?P<program>[^:]+): cannot execute: required file"),
    re.compile(r"^\S*env: ['‘\"]?(?P<program>[^'’\":]+)['’\"]?: No such file or directory"),
)
_NOT_EXECUTABLE = (
    re.compile(
        r"^\S*sh: (?:line )?(?:\d+: )?(?:exec: )?(?P<program>[^:]+): "
        r"(?:Permission denied|Exec format error|[Ii]s a directory|cannot execute)"
    ),
    re.compile(r"^\S*env: ['‘\"]?(?P<program>[^'’\":]+)['’\"]?: Permission denied"),
)


def program_not_found(lines: Lines) -> str | None:
    """The program that a shell looked for in vain, as it was written in the command."""
    return _last_named(lines, _NOT_FOUND, "program")


def program_not_executable(lines: Lines) -> str | None:
    """The file that a shell found, but may not execute."""
    return _last_named(lines, _NOT_EXECUTABLE, "program")


_NO_MODULE = (
    re.compile(r"ModuleNotFoundError: No module named '(?P<module>[\w.]+)'"),
    re.compile(r"ImportError: No module named '?(?P<module>[\w.]+)"),
    re.compile(r"python[\d.]*(?:\.exe)?: No module named (?P<module>[\w.]+)"),
    re.compile(r'Could not import module "(?P<module>[\w.]+)"'),
    re.compile(r"Could not import '(?P<module>[\w.]+)'"),
    re.compile(r"The module (?P<module>[\w.]+) was not found"),
)


def missing_module(lines: Lines) -> str | None:
    """The Python module that could not be imported, with its dots."""
    return _last_named(lines, _NO_MODULE, "module")


_NO_NAME = (
    re.compile(r"ImportError: cannot import name '(?P<name>[^']+' from '[\w.]+)'"),
    re.compile(r'Attribute "(?P<name>[\w.]+" not found in module "[\w.]+)"'),
    re.compile(r"Failed to find attribute '(?P<name>[\w.]+' in '[\w.]+)'"),
)


def missing_name(lines: Lines) -> str | None:
    """`'app' in 'main'`: what a module that was found does not contain."""
    found = _last_named(lines, _NO_NAME, "name")
    if found is None:
        return None
    name, module = re.split(r"[\"'] (?:from|in|not found in module) [\"']", found)
    return f"'{name}' in '{module}'"


_SYNTAX = re.compile(r"^(?:E +)?(?P<error>(?:Syntax|Indentation|Tab)Error: .+)")
_FILE = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)')


def syntax_error(lines: Lines) -> tuple[str, str] | None:
    """(`/srv/main.py:3`, `SyntaxError: invalid syntax`) of the last syntax error."""
    place, found = "", None
    for line in plain(lines):
        if match := _FILE.match(line):
            place = f"{match['file']}:{match['line']}"
        elif match := _SYNTAX.match(line):
            found = (place, match["error"])
    return found


_DENIED = re.compile(
    r"(?:PermissionError|EACCES|Permission denied).*?['\"](?P<path>[^'\"]*/[^'\"]*)"
)


def denied_path(lines: Lines) -> str | None:
    """The path that the app may not use."""
    return _last_named(lines, (_DENIED,), "path")


_TRACEBACK = "Traceback (most recent call last)"
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Group)\b")


def final_exception(lines: Lines) -> str | None:
    """The last line of the last traceback: `ValueError: no such colour`."""
    found, inside = None, False
    for line in plain(lines):
        if _TRACEBACK in line:
            inside = True
        elif (inside and line and not line[0].isspace()) or _EXCEPTION.match(line):
            found, inside = line, False
    return found


_HALT = "gunicorn.errors.HaltServer"
_MEANWHILE = "During handling of the above exception"


def without_halts(lines: Lines) -> tuple[str, ...]:
    """*lines* but for the tracebacks with which gunicorn ends when no worker of it can start.

    They fill the last lines, and only what the worker said before tells why.
    """
    kept: list[str] = []
    began: int | None = None
    halted = False
    for line in lines:
        if began is None and _TRACEBACK in line:
            began = len(kept)
        elif halted and line.startswith(_MEANWHILE):
            continue
        kept.append(line)
        if began is not None and _TRACEBACK not in line and not line[:1].isspace():
            halted = line.startswith(_HALT)
            if halted:
                del kept[began:]
            began = None
    return tuple(kept)


def _last_named(lines: Lines, patterns: Sequence[re.Pattern[str]], name: str) -> str | None:
    return next((match[name] for match in _matches(lines, patterns)), None)


def _matches(lines: Lines, patterns: Sequence[re.Pattern[str]]) -> Iterator[re.Match[str]]:
    """The newest line first."""
    for line in reversed(plain(lines)):
        for pattern in patterns:
            if match := pattern.search(line):
                yield match

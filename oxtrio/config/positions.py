"""Where each key of a TOML text stands; no TOML library keeps that."""

import re
import tomllib
from typing import Final

KeyPath = tuple[str | int, ...]

# Strings and comments: nothing in them is structure. One that is never closed goes on to the end
# of its line, or of the text: looking for its end from every later quote would be quadratic.
OPAQUE: Final = re.compile(
    r'"""(?:\\.|[^\\])*?(?:"""+|\Z)'
    r"|'''.*?(?:'''+|\Z)"
    r'|"(?:\\.|[^"\\\n])*+"?'
    r"|'[^'\n]*'?"
    r"|#[^\n]*",
    re.DOTALL,
)
HEADER: Final = re.compile(r"^\s*(\[\[?)(.*?)\]\]?\s*(?:#.*)?$")


def key_lines(text: str) -> dict[KeyPath, int]:
    """The 1-based line of every key in *text*, which must be valid TOML.

    Keys inside an inline table are not listed: their line is that of the key that holds it.
    """
    lines: dict[KeyPath, int] = {}
    entries: dict[KeyPath, int] = {}  # [[name]]: how many so far
    table: KeyPath = ()
    depth = 0  # open brackets of a value that goes on over several lines
    plain = structure(text)
    for number, (line, raw) in enumerate(zip(plain.split("\n"), text.split("\n"), strict=True), 1):
        value = line
        if depth == 0 and line.lstrip().startswith("["):
            table = _enter(raw, entries)
            _place(table, number, lines)
            continue
        if depth == 0 and "=" in line:
            key, _, value = line.partition("=")
            _place((*table, *_names(raw[: len(key)])), number, lines)
        depth += sum(map(value.count, "[{")) - sum(map(value.count, "]}"))
    return lines


def structure(text: str) -> str:
    """*text* with blanks in place of its strings and comments: lines and columns stay."""
    return OPAQUE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _place(path: KeyPath, number: int, lines: dict[KeyPath, int]) -> None:
    """*path* stands on line *number*; tables that it merely implies are there too, until named."""
    for length in range(1, len(path)):
        lines.setdefault(path[:length], number)
    lines[path] = number


def _enter(header: str, entries: dict[KeyPath, int]) -> KeyPath:
    """The path of a [table] or an [[entry]]; an entry is counted."""
    [(bracket, dotted)] = HEADER.findall(header)
    path: KeyPath = ()
    *parents, last = _names(dotted)
    for name in parents:
        path = (*path, name)
        if path in entries:
            path = (*path, entries[path] - 1)
    path = (*path, last)
    if bracket == "[[":
        entries[path] = entries.get(path, 0) + 1
        path = (*path, entries[path] - 1)
    return path


def _names(dotted: str) -> tuple[str, ...]:
    """The names in a dotted key, however they are quoted."""
    names = []
    rest: object = tomllib.loads(f"{dotted} = 0")
    while isinstance(rest, dict):
        [(name, rest)] = rest.items()
        names.append(name)
    return tuple(names)

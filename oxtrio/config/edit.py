"""Changes an oxfile as a person would: one line of it, and nothing else."""

import tomllib
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from oxtrio.config.oxfile import dotted
from oxtrio.config.positions import KeyPath, key_lines
from oxtrio.config.syntax import BOM, parse
from oxtrio.errors import ConfigError, OxtrioError, Problem
from oxtrio.model.facts import Source

KEY = "instances"


def with_instances(source: Source, app: str, number: int) -> str | None:
    """The text of *source* with so many `instances` of *app*; None where it has no such app.

    Comments, order and layout stay. Raises `ConfigError` where the text is no TOML, and
    `OxtrioError` where it cannot be changed without changing something else.
    """
    text = source.text.removeprefix(BOM)
    content: Any = parse(source.path, text)
    if isinstance(content, Problem):
        raise ConfigError(f"cannot edit '{source.path}'", problems=(content,))
    apps = content.get("processes")
    if not isinstance(apps, dict) or not isinstance(apps.get(app), dict):
        return None
    if apps[app].get(KEY) == number and type(apps[app][KEY]) is int:
        return source.text
    edited = None if KEY in apps[app] else _with_line(text, app, number)
    edited = edited or _with_value(text, app, number)
    apps[app][KEY] = number
    if edited is None or parse(source.path, edited) != content:
        raise OxtrioError(
            f"cannot edit '{source.path}' without changing more than {KEY} of {app}",
            f"write {KEY} = {number} into [{dotted(('processes', app))}] yourself",
        )
    return source.text[: len(source.text) - len(text)] + edited


def _with_line(text: str, app: str, number: int) -> str | None:
    """*text* with a new line behind the command of *app*, written the same way."""
    at: KeyPath = ("processes", app, "command")
    line = key_lines(text).get(at)
    lines = text.split("\n")
    key, _, _ = lines[line - 1].partition("=") if line else ("", "", "")
    if line is None or not key.rstrip().endswith("command"):
        return None  # in an inline table, or in quotes
    end = next((end for end in range(line, len(lines) + 1) if _is_whole(lines[line - 1 : end])), 0)
    if not end:
        return None
    # Windows lines keep their end; the last line of a file may have none.
    ending = "\r" if lines[line - 1].endswith("\r") else ""
    lines[end - 1] = lines[end - 1].removesuffix(ending) + ending
    new = f"{key.rstrip().removesuffix('command')}{KEY} = {number}"
    return "\n".join((*lines[:end], new + (ending if end < len(lines) else ""), *lines[end:]))


def _is_whole(lines: list[str]) -> bool:
    """Whether *lines* end where the value of their key ends."""
    try:
        tomllib.loads("\n".join(lines).removesuffix("\r"))
    except tomllib.TOMLDecodeError:
        return False
    return True


def _with_value(text: str, app: str, number: int) -> str | None:
    """*text* with the value of a key that is there, or with a new one in an inline table."""
    try:
        document = tomlkit.parse(text)
        # What it cannot give back as it was, it cannot edit.
        if document.as_string() != text:
            return None
        apps: Any = document["processes"]
        apps[app][KEY] = number
        return document.as_string()
    except TOMLKitError:
        return None

"""Whether a command speaks of a known server at all, whoever starts it."""

import re
import shlex
from typing import Final

Command = str | tuple[str, ...]

_NAMES: Final = r"(?P<server>uvicorn|gunicorn|hypercorn|granian)"
FIRST: Final = re.compile(
    rf"\s*(?:[A-Za-z_]\w*=\S*\s+)*(?:exec\s+)?[\"']?(?:[^\s\"']*/)?{_NAMES}(?=[\s\"']|$)"
)
BEHIND: Final = re.compile(
    rf"(?<=[\s/\"'(;&|=]){_NAMES}(?:\.app\.wsgiapp)?"
    r"(?=[\"']?\s+(?:-|[\"']?[\w.]+:[\w$]|[\w.]+\s+-))"
)
"""A server behind something else, with the beginning of what it is told."""


def mentioned(command: Command) -> tuple[str, int] | None:
    """The server that *command* seems to run, and where its name is in the text."""
    text = as_text(command)
    found = FIRST.match(text) or BEHIND.search(text)
    return (found["server"], found.start("server")) if found else None


def as_text(command: Command) -> str:
    """One line of text, as a shell would take it."""
    return command if isinstance(command, str) else shlex.join(command)

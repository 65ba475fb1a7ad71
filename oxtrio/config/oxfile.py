"""One oxfile that is being read: its content, its lines, and the problems so far."""

import re
from pathlib import PurePosixPath

from oxtrio.config.positions import KeyPath, key_lines
from oxtrio.config.syntax import BOM, parse
from oxtrio.errors import Problem
from oxtrio.model.facts import Facts, Source


class Oxfile:
    """Notes every problem with its line; *content* is empty where the text is no TOML."""

    def __init__(self, source: Source, facts: Facts) -> None:
        text = source.text.removeprefix(BOM)
        content = parse(source.path, text)
        self.path = source.path
        self.folder = str(PurePosixPath(source.path).parent)
        self.facts = facts
        self.problems: list[Problem] = []
        self.content: dict[str, object] = {}
        self.readable = not isinstance(content, Problem)
        self._text_lines = text.split("\n")
        self._lines: dict[KeyPath, int] = {}
        if isinstance(content, Problem):
            self.problems.append(content)
        else:
            self.content = content
            self._lines = key_lines(text)

    def note(self, at: KeyPath, what: str, hint: str = "") -> None:
        """Something is wrong with the key *at*."""
        table = dotted(at[:-1])
        self.problems.append(
            Problem(self.path, self.line(at), f"{table}: {what}" if table else what, hint)
        )

    def line(self, at: KeyPath) -> int:
        """The line of *at*, or of the innermost table around it that stands somewhere."""
        while at and at not in self._lines:
            at = at[:-1]
        return self._lines.get(at, 0)

    def written(self, at: KeyPath) -> str:
        """The text of the line of *at*."""
        return self._text_lines[self.line(at) - 1]


def dotted(path: KeyPath) -> str:
    """A key path as it is written in a header."""
    return ".".join(
        name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"' for name in map(str, path)
    )

"""Finds the words of a shell text that is one simple command, without expanding anything.

It is strict in one direction only: what it calls a simple command is one; where it is not sure
it says None, and the shell is left alone with the text.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
REDIRECTION: Final = re.compile(r"[0-9]*(?:<>|<&|>&|>>|>\||<|>)")
BLANK: Final = re.compile(r"(?:[ \t]|\\\n)+")
MARGIN: Final = " \t\n"
COMMENT: Final = re.compile(r"#[^\n]*")
CONTROL: Final = frozenset(";&|(){}`\n")
GLOB: Final = frozenset("*?[")
DOLLAR: Final = re.compile(r"\$[A-Za-z0-9_@*#?$!-]")
UNSURE: Final = re.compile(r"\bcase\b|#|<<")
"""What may hide a parenthesis in a command substitution."""

DEEPEST: Final = 20
"""Levels of quotes, expansions and substitutions within one another."""


class NotSimple(Exception):
    """The text is no simple command, or not certainly one."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word: where it starts, how it is written, and what it says without its quotes."""

    start: int
    raw: str
    text: str | None
    """None where the shell expands something in it."""
    quoted: bool
    assigns: bool
    """It stands before the command and sets a variable for it."""


def simple_command(text: str) -> tuple[Word, ...] | None:
    """The words of *text*, without its redirections, or None where it is no simple command."""
    try:
        return tuple(_words(text))
    except NotSimple:
        return None


def _words(text: str) -> Iterator[Word]:
    stripped = text.rstrip(MARGIN)
    # A backslash at the end escapes the blank or the newline behind it.
    scanner = _Scanner(text if stripped.endswith("\\") else stripped)
    leading = True
    while scanner.skip_blanks():
        is_target = scanner.skip_redirection()
        word = scanner.word(leading=leading)
        if not is_target:
            leading = word.assigns
            yield word


class _Scanner:
    """Reads a shell text from left to right; raises `NotSimple` where it finds more than words."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = len(text) - len(text.lstrip(MARGIN))
        self._depth = 0

    def skip_blanks(self) -> bool:
        """Go to the next word; false at the end."""
        blank = BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        comment = COMMENT.match(self._text, self._at)
        self._at = comment.end() if comment else self._at
        return self._at < len(self._text)

    def skip_redirection(self) -> bool:
        """Go over `2>` and blanks; whether there was one, so that the next word is its target."""
        found = REDIRECTION.match(self._text, self._at)
        if found is None:
            return False
        self._at = found.end()
        if self._text.startswith("<", self._at) or not self.skip_blanks():
            raise NotSimple  # a here-document, or no target
        return True

    def word(self, *, leading: bool) -> Word:
        """The word that begins here."""
        start, said = self._at, []
        while (character := self._peek()) and not character.isspace() and character not in "<>":
            said.append(self._piece(character))
        raw = self._text[start : self._at]
        if not raw:
            raise NotSimple
        unexpanded = None if None in said or raw.startswith("~") else "".join(filter(None, said))
        assigns = leading and ASSIGNMENT.match(raw) is not None
        quoted = any(quote in raw for quote in "'\"\\")
        return Word(start, raw, unexpanded, quoted, assigns)

    def _piece(self, character: str) -> str | None:
        """The next part of a word, without quotes; None where the shell expands it."""
        match character:
            case "'":
                return self._until_single_quote()
            case '"':
                return self._double_quoted()
            case "\\":
                return self._escaped()
            case "$":
                return self._dollar(quoted=False)
        if not character or character in CONTROL:
            raise NotSimple
        self._at += 1
        return None if character in GLOB else character

    def _until_single_quote(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise NotSimple
        text = self._text[self._at + 1 : end]
        self._at = end + 1
        return text

    def _escaped(self) -> str:
        self._at += 2
        character = self._text[self._at - 1 : self._at]
        return "" if character == "\n" else character

    def _double_quoted(self) -> str | None:
        said: list[str | None] = []
        self._at += 1
        with self._deeper():
            while (character := self._peek()) != '"':
                said.append(self._quoted_piece(character))
        self._at += 1
        return None if None in said else "".join(filter(None, said))

    def _quoted_piece(self, character: str) -> str | None:
        match character:
            case "":
                raise NotSimple
            case "$":
                return self._dollar(quoted=True)
            case "`":
                self._until_backquote()
                return None
            case "\\" if self._text[self._at + 1 : self._at + 2] in ("$", "`", '"', "\\", "\n"):
                return self._escaped()
        self._at += 1
        return character

    def _until_backquote(self) -> None:
        self._at += 1
        while (character := self._peek()) != "`":
            if not character:
                raise NotSimple
            self._at += 2 if character == "\\" else 1
        self._at += 1

    def _dollar(self, *, quoted: bool) -> str | None:
        if self._text.startswith("${", self._at):
            self._parameter(quoted=quoted)
            return None
        if self._text.startswith("$(", self._at):
            self._substitution(quoted=quoted)
            return None
        expanded = DOLLAR.match(self._text, self._at) is not None
        self._at += 1
        return None if expanded else "$"

    def _parameter(self, *, quoted: bool) -> None:
        """`${...}`: its braces group nothing."""
        self._at += 2
        with self._deeper():
            while (character := self._peek()) != "}":
                if quoted and character == '"':
                    raise NotSimple  # shells differ on quotes within quotes here
                (self._quoted_piece if quoted else self._piece)(character)
        self._at += 1

    def _substitution(self, *, quoted: bool) -> None:
        """`$(...)`, which only quotes keep from being more than a simple command."""
        if not quoted:
            raise NotSimple
        start = self._at
        self._at += 2
        depth = 1
        with self._deeper():
            while depth:
                depth += self._substituted_piece(self._peek())
        if UNSURE.search(self._text[start : self._at]):
            raise NotSimple

    def _substituted_piece(self, character: str) -> int:
        """Go over the next part; how much deeper in parentheses it leads."""
        match character:
            case "":
                raise NotSimple
            case "'":
                self._until_single_quote()
            case '"':
                self._double_quoted()
            case "\\":
                self._at += 2
            case _:
                self._at += 1
        return {"(": 1, ")": -1}.get(character, 0)

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        if self._depth >= DEEPEST:
            raise NotSimple
        self._depth += 1
        yield
        self._depth -= 1

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

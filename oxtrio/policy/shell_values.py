"""What the shell makes of one word of a command: quotes, `$VAR`, `${VAR}`, `${VAR:-x}`, `~/`.

It is strict in one direction only: what it returns is what the program is given, as exactly one
word; where it is not sure it raises `Unread`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
DEFAULT: Final = r":-[A-Za-z0-9_./:,@%+=-]*"
VARIABLE: Final = rf"\$(?:(?P<name>{NAME})|\{{(?P<braced>{NAME})(?P<default>{DEFAULT})?\}})"
PIECE: Final = re.compile(
    rf"'(?P<single>[^']*)'"
    rf'|"(?P<double>(?:[^"\\`]|\\.)*)"'
    rf"|\\(?P<escaped>[^\n])"
    rf"|{VARIABLE}"
    rf"|(?P<plain>[^'\"\\$`*?\[\]~]+)",
    re.DOTALL,
)
QUOTED_PIECE: Final = re.compile(
    rf"\\(?P<escaped>[$`\"\\])|{VARIABLE}|(?P<plain>[^\\$]+|\\(?![\n$`\"\\])|\$(?= |$))"
)
SPLITS: Final = re.compile(r"[\s*?\[\]\\]")
"""What makes the shell do more with a value than putting it there."""

_SET: Final = """
_ DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD HOSTNAME HOSTTYPE IFS LINENO
MACHTYPE MAILCHECK OLDPWD OPTERR OPTIND OSTYPE PIPESTATUS PPID PS1 PS2 PS4 RANDOM SECONDS SHELL
SHELLOPTS SHLVL SRANDOM UID
"""
OF_THE_SHELL: Final = frozenset(_SET.split())
"""Variables that some shells set by themselves, whatever the environment says."""

ADDRESS: Final = re.compile(
    r"(?P<before>[\w=-]*)\[(?P<set>[0-9A-Fa-f:.]+)\](?P<after>:.+)", re.ASCII | re.DOTALL
)
"""`[::]:8000`, which the shell takes for a pattern: of file names such as `::8000`."""


class Unread(Exception):
    """It is not certain what a command does: *why* completes "a reload means a gap: …"."""

    def __init__(self, why: str, instead: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.instead = instead


@dataclass(frozen=True, slots=True)
class Shell:
    """What the meaning of a word depends on."""

    env: Mapping[str, str]
    has_file: Callable[[str], bool]
    """Whether the working folder has a file of this name: the shell fills in patterns."""

    def text(self, raw: str) -> str:
        """What the program is given for *raw*. Raises `Unread`."""
        if address := ADDRESS.fullmatch(raw):
            return self._address(address)
        if raw.startswith("~"):
            return self._home(raw)
        said, at = [], 0
        while at < len(raw):
            piece = PIECE.match(raw, at)
            if piece is None:
                raise Unread(f"only the shell knows what {raw} says")
            said.append(self._piece(piece, raw))
            at = piece.end()
        if not any(said) and not set("'\"\\") & set(raw):
            raise Unread(f"{raw} is empty")
        return "".join(said)

    def _address(self, found: re.Match[str]) -> str:
        after = self.text(found["after"])
        files = (found["before"] + each + after for each in found["set"])
        if any(self.has_file(name) for name in files):
            raise Unread(f"the shell takes {found[0]} for the name of a file that is there")
        return f"{found['before']}[{found['set']}]{after}"

    def _home(self, raw: str) -> str:
        home = self.env.get("HOME", "")
        if not raw.startswith("~/") or not home.startswith("/"):
            raise Unread(f"only the shell knows what {raw} says")
        return home + self.text(raw[1:])

    def _piece(self, piece: re.Match[str], raw: str) -> str:
        for kind in ("single", "escaped", "plain"):
            if piece[kind] is not None:
                return piece[kind]
        if piece["double"] is not None:
            return self._double(piece["double"], raw)
        value = self._variable(piece, raw)
        if SPLITS.search(value):
            raise Unread(f"{piece[0]} is more than one plain word")
        return value

    def _double(self, inner: str, raw: str) -> str:
        said, at = [], 0
        while at < len(inner):
            piece = QUOTED_PIECE.match(inner, at)
            if piece is None:
                raise Unread(f"only the shell knows what {raw} says")
            literal = piece["escaped"] if piece["escaped"] is not None else piece["plain"]
            said.append(self._variable(piece, raw) if literal is None else literal)
            at = piece.end()
        return "".join(said)

    def _variable(self, piece: re.Match[str], raw: str) -> str:
        name = piece["name"] or piece["braced"]
        if name in OF_THE_SHELL:
            raise Unread(f"only the shell knows what {raw} says")
        return self.env.get(name, "") or (piece["default"] or "")[2:]

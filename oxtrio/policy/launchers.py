"""Finds the server that a command starts, behind what may stand in front of it.

`exec`, `env A=b`, `python -m` and a path become the server itself, under the pid of the leader;
`uv run` stays beside it. Anything else in front raises `Unread`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from oxtrio.policy.mentions import Command
from oxtrio.policy.options import read_leading
from oxtrio.policy.server_options import ENV, PYTHON, UV_RUN
from oxtrio.policy.shell_values import Shell, Unread
from oxtrio.policy.shell_words import ASSIGNMENT, simple_command

MODULES: Final = {
    "uvicorn": "uvicorn",
    "gunicorn": "gunicorn",
    "gunicorn.app.wsgiapp": "gunicorn",
    "hypercorn": "hypercorn",
    "granian": "granian",
}
"""What `python -m` takes → the server."""

OTHER_DESCRIPTORS: Final = re.compile(r"(?:[3-9]|\d\d)[<>]|[<>]&\s*(?:[3-9]|\d\d)")
"""Redirections that could cover the descriptors of held sockets."""

PYTHON_NAME: Final = re.compile(r"python(?:3(?:\.\d+t?)?)?")


class InFront(Unread):
    """Something else than the server is what the command starts."""


@dataclass(frozen=True, slots=True)
class Line:
    """A command as the words that its program is given."""

    command: Command
    words: tuple[str, ...]
    places: tuple[tuple[int, int], ...]
    """Where each word is in the text, or in the array."""
    assigned: Mapping[str, str | None]
    """The variables that are set in front of it; None: to what only the shell knows."""

    def edited(self, words: Mapping[int, str], after: int, more: Sequence[str]) -> Command:
        """The command with some *words* (by number) replaced, and with *more* behind *after*.

        The new words must mean themselves in a shell, but for `${fd}`.
        """
        changes = {self.places[number]: [word] for number, word in words.items()}
        if more:
            changes[self.places[after]] = [self._raw(after), *more]
        command = self.command
        for (start, end), new in sorted(changes.items(), reverse=True):
            if isinstance(command, str):
                command = command[:start] + " ".join(new) + command[end:]
            else:
                command = (*command[:start], *new, *command[end:])
        return command

    def _raw(self, number: int) -> str:
        start, end = self.places[number]
        return self.command[start:end] if isinstance(self.command, str) else self.command[start]


def read_line(command: Command, shell: Shell) -> Line:
    """The words of *command*. Raises `Unread` where only a shell can tell."""
    if isinstance(command, tuple):
        places = tuple((number, number + 1) for number in range(len(command)))
        return Line(command, command, places, {})
    found = simple_command(command)
    if found is None:
        raise InFront("the command is more than the server alone")
    if OTHER_DESCRIPTORS.search(command):
        raise Unread("the command redirects descriptors that a held socket could have")
    words = [word for word in found if not word.assigns]
    return Line(
        command,
        tuple(shell.text(word.raw) for word in words),
        tuple((word.start, word.start + len(word.raw)) for word in words),
        _assigned([word.raw for word in found if word.assigns], shell),
    )


def _assigned(raws: Sequence[str], shell: Shell) -> dict[str, str | None]:
    assigned: dict[str, str | None] = {}
    for raw in raws:
        name = raw.partition("=")[0]
        # Shells differ on whether one assignment sees the others.
        sees = [each for each in assigned if re.search(rf"\$\{{?{each}\b", raw)]
        try:
            value = None if sees else shell.text(raw).partition("=")[2]
        except Unread:
            value = None
        assigned[name] = value
    return assigned


@dataclass(frozen=True, slots=True)
class Launch:
    """Where the server stands in the words of a line."""

    server: str
    at: int
    """The number of the word that names it; what follows is for the server."""
    leads: bool = True
    """It becomes the leader of the run, under its pid."""
    assigned: Mapping[str, str | None] = field(default_factory=dict)
    """What the command sets for it."""


def find_launch(line: Line, env: Mapping[str, str]) -> Launch:
    """The server that *line* starts. Raises `Unread` where something else is in front of it."""
    at, leads = 0, True
    assigned = dict(line.assigned)
    if isinstance(line.command, str) and line.words[:1] == ("exec",):
        at = 1
    while at < len(line.words):
        name = line.words[at].rpartition("/")[2]
        if name in MODULES and "." not in name:
            return Launch(name, at, leads, assigned)
        if PYTHON_NAME.fullmatch(name):
            at, server = _python(line.words, at + 1)
            return Launch(server, at, leads, assigned)
        if name == "env":
            at = _env(line.words, at + 1, assigned)
        elif name == "uv":
            at, server = _uv_run(line.words, at + 1, env)
            leads = False
            if server:
                return Launch(server, at, leads, assigned)
        else:
            raise InFront(f"{name} is in front of the server")
    raise InFront("the command does not say which program it runs")


def _python(words: Sequence[str], at: int) -> tuple[int, str]:
    """`-m uvicorn`, or the server's own script."""
    options, end = read_leading(words[at:], PYTHON, last="-m")
    named = [option.value for option in options if option.name == "-m"]
    if named:
        return at + end - 1, _module(named[0])
    script = words[at + end].rpartition("/")[2] if at + end < len(words) else ""
    if script not in MODULES:
        raise InFront("a Python program is in front of the server")
    return at + end, script


def _module(name: str) -> str:
    if name not in MODULES:
        raise InFront(f"the module {name} is in front of the server")
    return MODULES[name]


def _env(words: Sequence[str], at: int, assigned: dict[str, str | None]) -> int:
    _, end = read_leading(words[at:], ENV)
    at += end
    while at < len(words) and ASSIGNMENT.match(words[at]):
        name, _, value = words[at].partition("=")
        assigned[name] = value
        at += 1
    return at


def _uv_run(words: Sequence[str], at: int, env: Mapping[str, str]) -> tuple[int, str]:
    """Where the program stands that `uv run` starts, or with `-m` the server itself."""
    if words[at : at + 1] != ("run",):
        raise InFront("uv is in front of the server")
    options, end = read_leading(words[at + 1 :], UV_RUN)
    names = {option.name for option in options}
    if env.get("UV_ENV_FILE") and "--no-env-file" not in names:
        raise Unread("uv reads more variables from the file of $UV_ENV_FILE")
    if env.get("UV_WORKING_DIR"):
        raise Unread("uv goes to the folder of $UV_WORKING_DIR")
    at += 1 + end
    if names & {"-m", "--module"}:
        return at, _module(words[at] if at < len(words) else "")
    return at, ""

"""How a command of an oxfile is executed (SPEC §2.1, `command`)."""

import re
from collections.abc import Sequence
from typing import Final

from oxtrio.policy.shell_words import Word, simple_command

SHELL: Final = ("/bin/sh", "-c")
INSTANCE: Final = "${instance}"
PORT: Final = "${port}"
FD: Final = re.compile(r"\$\{fd(?::(?P<name>[^{}]*))?\}")
FIRST_FD: Final = 3
"""As systemd defines it: held sockets are 3, 4, … in every run."""

_RESERVED: Final = """
! [[ { } case coproc do done elif else esac fi for function if in select then time until while
"""
# Those of dash and of bash: `exec` would look for a program of this name.
_BUILTINS: Final = """
. : [ alias bg bind break builtin caller cd chdir command compgen complete compopt continue
declare dirs disown echo enable eval exec exit export false fc fg getopts hash help history jobs
kill let local logout mapfile popd printf pushd pwd read readarray readonly return set shift shopt
source suspend test times trap true type typeset ulimit umask unalias unset wait
"""
KEYWORDS: Final = frozenset(_RESERVED.split())
BUILTINS: Final = frozenset(_BUILTINS.split())


def argv(command: str | tuple[str, ...]) -> tuple[str, ...]:
    """The words to execute: an array as it is, a string by `/bin/sh -c`.

    One simple command gets `exec` put in front, so that the app itself becomes the leader: dash
    stays beside the program that it runs, and signals would reach the shell alone.
    """
    if isinstance(command, tuple):
        return command
    word = _program_word(command)
    if word is None:
        return (*SHELL, command)
    return (*SHELL, f"{command[: word.start]}exec {command[word.start :]}")


def program(command: str | tuple[str, ...]) -> str | None:
    """The program that *command* runs, or None where only the shell can tell."""
    if isinstance(command, tuple):
        return command[0]
    word = _program_word(command)
    if word is None or word.text is None or _sets_path(command):
        return None
    return word.text


def with_instance(text: str, number: int) -> str:
    """*text* with the number of the instance in place of every `${instance}`."""
    return text.replace(INSTANCE, str(number))


def with_port(text: str, port: int) -> str:
    """*text* with *port* in place of every `${port}`."""
    return text.replace(PORT, str(port))


def with_fds(text: str, names: Sequence[str]) -> str:
    """*text* with descriptors in place of `${fd}` (the first) and `${fd:NAME}`.

    *names* are those of the addresses in order, "" where one has none. What names nothing stays.
    """

    def number(found: re.Match[str]) -> str:
        fd = descriptor(found["name"], names)
        return found[0] if fd is None else str(fd)

    return FD.sub(number, text)


def descriptor(name: str | None, names: Sequence[str]) -> int | None:
    """The descriptor of the address with this *name*, or with this place from 0 on, if any.

    No name at all means the first.
    """
    if name and name in names:
        return FIRST_FD + names.index(name)
    place = "0" if name is None else name
    if not re.fullmatch("[0-9]{1,3}", place) or int(place) >= len(names):
        return None
    return FIRST_FD + int(place)


def _program_word(text: str) -> Word | None:
    """The first word after the assignments, where `exec` can stand in front of it."""
    words = simple_command(text)
    word = next((word for word in words or () if not word.assigns), None)
    if word is None or (not word.quoted and word.raw in KEYWORDS):
        return None
    if word.text in BUILTINS or word.raw in BUILTINS:
        return None
    # `A+=1` is an assignment in some shells and the name of a program in others.
    return None if word.raw.partition("+=")[0].isidentifier() and "+=" in word.raw else word


def _sets_path(text: str) -> bool:
    words = simple_command(text) or ()
    return any(word.assigns and word.raw.startswith("PATH=") for word in words)

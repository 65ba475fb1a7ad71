"""How a command of an oxfile is executed (SPEC §2.1, `command`)."""

from typing import Final

from oxtrio.policy.shell_words import Word, simple_command

SHELL: Final = ("/bin/sh", "-c")
INSTANCE: Final = "${instance}"

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

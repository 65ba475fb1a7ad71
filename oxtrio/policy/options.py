"""Reads the options of a command line as the parser of its program does, argparse or click.

It knows every option of the program, so that the value of one is never taken for another; what
the program's own parser would refuse, or might read in another way, raises `Unread`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oxtrio.policy.shell_values import Unread


@dataclass(frozen=True, slots=True)
class Options:
    """All options of a program, by their names with dashes."""

    flags: frozenset[str]
    valued: frozenset[str]
    argparse: bool = False
    """It takes the unique beginning of a long name, and never a value with a dash in front."""

    def full_name(self, name: str) -> str:
        """The option that *name* means. Raises `Unread`."""
        known = self.flags | self.valued
        if name in known:
            return name
        meant = [each for each in known if each.startswith(name)] if self.argparse else []
        if len(meant) != 1 or not name.startswith("--"):
            raise Unread(f"oxtrio does not know the option {name}")
        return meant[0]


@dataclass(frozen=True, slots=True)
class Option:
    """One option as it was found: its value ends the word number *at*, behind *before*."""

    name: str
    value: str
    at: int
    before: str = ""


def read_options(words: Sequence[str], known: Options) -> tuple[Option, ...]:
    """The options in *words*, which follow the name of the program. Raises `Unread`."""
    found: list[Option] = []
    at = 0
    while at < len(words) and words[at] != "--":
        here, at = _read(words, at, known)
        found += here
    return tuple(found)


def read_leading(
    words: Sequence[str], known: Options, last: str = ""
) -> tuple[tuple[Option, ...], int]:
    """The options up to the first other word, or to *last*, and where they end.

    Raises `Unread`.
    """
    found: list[Option] = []
    at = 0
    while at < len(words) and _is_option(words[at]):
        if words[at] == "--":
            return tuple(found), at + 1
        here, at = _read(words, at, known)
        found += here
        if any(option.name == last for option in here):
            break
    return tuple(found), at


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _read(words: Sequence[str], at: int, known: Options) -> tuple[list[Option], int]:
    """The options that begin in the word number *at*, and where the next word is."""
    if not _is_option(words[at]):
        return [], at + 1
    if words[at].startswith("--"):
        found = [_long(words, at, known)]
    else:
        found = list(_short(words, at, known))
    return found, found[-1].at + 1


def _long(words: Sequence[str], at: int, known: Options) -> Option:
    name, equals, value = words[at].partition("=")
    option = known.full_name(name)
    if option in known.flags:
        if equals:
            raise Unread(f"{option} takes no value")
        return Option(option, "", at)
    return Option(option, value, at, f"{name}=") if equals else _next(option, words, at, known)


def _short(words: Sequence[str], at: int, known: Options) -> Iterator[Option]:
    """`-b X`, `-bX`, `-b=X`, and flags in front of it as in `-Rb X`."""
    word = words[at]
    for number, letter in enumerate(word[1:], 1):
        option = f"-{letter}"
        if option in known.flags:
            yield Option(option, "", at)
            continue
        if option not in known.valued:
            raise Unread(f"oxtrio does not know the option {word}")
        value = word[number + 1 :]
        if value.startswith("="):
            if number > 1:
                raise Unread(f"versions of Python differ on what {word} says")
            value = value[1:]
        if number + 1 == len(word):
            yield _next(option, words, at, known)
        else:
            yield Option(option, value, at, word[: len(word) - len(value)])
        return


def _next(option: str, words: Sequence[str], at: int, known: Options) -> Option:
    value = words[at + 1] if at + 1 < len(words) else None
    if value is None or (known.argparse and value.startswith("-") and value != "-"):
        raise Unread(f"{option} has no value")
    return Option(option, value, at + 1)

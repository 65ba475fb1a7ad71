"""The kinds of values that are oxtrio's own: commands, signals, masks, limits, dependencies."""

import re
import warnings
from signal import Signals
from typing import Final

from oxtrio.config.kinds import (
    FILLED,
    Kind,
    Unfit,
    list_of,
    read_bool,
    read_filled,
    read_string,
    shown,
)
from oxtrio.config.suggestion import did_you_mean
from oxtrio.model.spec import Condition

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
LONGEST_NAME: Final = 64
RESERVED: Final = "all"

LONGEST_ARGUMENT: Final = 128 * 1024 - 64
"""Bytes: the kernel takes 128 KiB per argument and per variable; some is left for `exec `."""

MOST_INSTANCES: Final = 10_000
UNLIMITED: Final = -1
MOST_RLIMIT: Final = 2**63 - 1

Table = dict[str, object]


def is_name(text: str) -> bool:
    """Whether *text* may name an app or a tag."""
    return len(text) <= LONGEST_NAME and NAME.fullmatch(text) is not None


def fits_the_kernel(text: str) -> bool:
    """Whether the system takes *text* as one argument or one variable."""
    return len(text.encode()) <= LONGEST_ARGUMENT


def _argument(value: object) -> str:
    text = read_string(value)
    if not fits_the_kernel(text):
        raise Unfit("it is longer than the 128 KiB that the system takes")
    return text


def _command(value: object) -> str | tuple[str, ...]:
    if not isinstance(value, list):
        return _argument(read_filled(value))
    if not value:
        raise Unfit
    read_filled(value[0])
    return tuple(map(_argument, value))


def _table(value: object) -> Table:
    if not isinstance(value, dict):
        raise Unfit
    return value


def _instances(value: object) -> int | None:
    if value == "max":
        return None
    if type(value) is not int or not 1 <= value <= MOST_INSTANCES:
        raise Unfit
    return value


def _label(value: object) -> str:
    text = read_string(value)
    if not is_name(text):
        raise Unfit
    return text


def _variable(value: object) -> str:
    text = read_filled(value)
    if "=" in text:
        raise Unfit
    return text


def _signal(value: object) -> Signals:
    name = read_filled(value).strip().upper()
    name = name if name.startswith("SIG") else f"SIG{name}"
    if name not in Signals.__members__:
        raise Unfit(did_you_mean(name, Signals.__members__))
    return Signals[name]


def _regex(value: object) -> str:
    """A pattern that Python takes without a word, as the word would come up again and again.

    Output is bytes, and is searched as such: it must be a pattern for bytes as well.
    """
    text = read_filled(value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(text)
            re.compile(text.encode())
    except (re.error, ValueError, Warning, OverflowError, RecursionError) as error:
        raise Unfit("", f"is no regular expression: {error}") from None
    return text


def _umask(value: object) -> int:
    if type(value) is str and re.fullmatch(r"(0o)?[0-7]{1,4}", value):
        value = int(value.removeprefix("0o"), 8)
    if type(value) is not int or not 0 <= value <= 0o777:
        raise Unfit('octal: "022"')
    return value


def _one_limit(value: object) -> int:
    if value == "unlimited":
        return UNLIMITED
    if type(value) is not int or not 0 <= value <= MOST_RLIMIT:
        raise Unfit
    return value


def _rlimit(value: object) -> tuple[int, int]:
    if not isinstance(value, list):
        return _one_limit(value), _one_limit(value)
    if len(value) != 2:
        raise Unfit
    soft, hard = map(_one_limit, value)
    if hard != UNLIMITED and (soft == UNLIMITED or soft > hard):
        raise Unfit("the soft limit is above the hard one")
    return soft, hard


def _condition(name: str, value: object) -> Condition:
    words = [str(condition) for condition in Condition]
    if type(value) is not str or value not in words:
        what = f"for {shown(name)} must be one of {', '.join(words)}, is {shown(value)}"
        raise Unfit(did_you_mean(value, words) if isinstance(value, str) else "", what)
    return Condition(value)


def _dependencies(value: object) -> dict[str, Condition | None]:
    if isinstance(value, dict):
        return {name: _condition(name, wanted) for name, wanted in value.items()}
    if not isinstance(value, list):
        raise Unfit
    names = [read_filled(name) for name in value]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Unfit(f"{twice} is in it twice")
    return dict.fromkeys(names)


_NAMES = {"type": "string", "pattern": f"^{NAME.pattern}$", "maxLength": LONGEST_NAME}
_STRINGS = {"type": "array", "items": {"type": "string"}}
_LIMIT = {"anyOf": [{"type": "integer", "minimum": 0}, {"const": "unlimited"}]}

COMMAND: Kind[str | tuple[str, ...]] = Kind(
    "a string, or an array of strings, that is not empty",
    {"anyOf": [{"type": "string", "minLength": 1}, {**_STRINGS, "minItems": 1}]},
    _command,
)
PATH = Kind("a path", FILLED.schema, read_filled)
PATHS: Kind[tuple[str, ...]] = Kind(
    "a path, or an array of paths",
    {"anyOf": [FILLED.schema, {"type": "array", "items": FILLED.schema}]},
    lambda value: tuple(map(read_filled, value if isinstance(value, list) else [value])),
)
TABLE: Kind[Table] = Kind("a table", {"type": "object"}, _table)
ENV: Kind[Table] = Kind(
    "a table of names and values",
    {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    _table,
)
INSTANCES: Kind[int | None] = Kind(
    f'an integer from 1 to {MOST_INSTANCES}, or "max"',
    {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_INSTANCES}, {"const": "max"}]},
    _instances,
)
LABEL = Kind(
    "a name: letters, digits and _ . - up to 64 characters, beginning with a letter or digit",
    _NAMES,
    _label,
)
LABELS = list_of(LABEL, "an array of names (letters, digits and _ . -)")
SIGNAL = Kind('the name of a signal, such as "SIGTERM"', {"type": "string"}, _signal)
REGEX = Kind("a regular expression that is not empty", FILLED.schema, _regex)
UMASK = Kind(
    'octal, as "022" or 0o022',
    {
        "anyOf": [
            {"type": "string", "pattern": "^(0o)?[0-7]{1,4}$"},
            {"type": "integer", "minimum": 0, "maximum": 0o777},
        ]
    },
    _umask,
)
INHERIT: Kind[bool | tuple[str, ...]] = Kind(
    "true, false, or an array of names of variables",
    {"anyOf": [{"type": "boolean"}, _STRINGS]},
    lambda value: tuple(map(_variable, value)) if isinstance(value, list) else read_bool(value),
)
RLIMIT = Kind(
    'an integer, "unlimited", or an array [soft, hard] of them',
    {"anyOf": [*_LIMIT["anyOf"], {"type": "array", "items": _LIMIT, "minItems": 2, "maxItems": 2}]},
    _rlimit,
)
DEPENDENCIES: Kind[dict[str, Condition | None]] = Kind(
    "an array of app names, or a table of app names and conditions",
    {
        "anyOf": [
            _STRINGS,
            {"type": "object", "additionalProperties": {"enum": [str(c) for c in Condition]}},
        ]
    },
    _dependencies,
)

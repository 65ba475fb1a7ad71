"""Kinds of values: how each is read, how it is described to people, and its JSON schema."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from json import dumps
from typing import Generic, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=StrEnum)

Schema = Mapping[str, object]

LONGEST_SHOWN = 60


class Unfit(Exception):
    """The value is not of this kind; *what* says it better than the text of the kind, if set."""

    def __init__(self, hint: str = "", what: str = "") -> None:
        super().__init__(hint, what)
        self.hint = hint
        self.what = what


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """One kind of value: *text* completes "must be …", *read* raises `Unfit`."""

    text: str
    schema: Schema
    read: Callable[[object], T_co]


def shown(value: object) -> str:
    """A TOML value as its author would recognise it, bounded in length."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            text = dumps(value, ensure_ascii=False)
        case int() | float() | date() | time():
            text = str(value)
        case list() if all(isinstance(item, str | int | float) for item in value):
            text = f"[{', '.join(map(shown, value[:LONGEST_SHOWN]))}]"
        case _:
            return "a table" if isinstance(value, dict) else "an array"
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def read_string(value: object) -> str:
    """Any text that the system can take: C strings end at a NUL."""
    if type(value) is not str:
        raise Unfit
    if "\0" in value:
        raise Unfit("it contains a NUL character")
    return value


def read_filled(value: object) -> str:
    """A string with something in it."""
    text = read_string(value)
    if not text.strip():
        raise Unfit
    return text


def read_bool(value: object) -> bool:
    """`true` or `false`, nothing that merely looks like it."""
    if type(value) is not bool:
        raise Unfit
    return value


STRING = Kind("a string", {"type": "string"}, read_string)
FILLED = Kind("a string that is not empty", {"type": "string", "minLength": 1}, read_filled)
BOOL = Kind("true or false", {"type": "boolean"}, read_bool)


def integer(low: int, high: int, text: str = "") -> Kind[int]:
    """Whole numbers from *low* to *high*; `true` is none, although Python counts it as 1."""

    def read(value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            raise Unfit
        return value

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Kind(text or f"an integer from {low} to {high}", schema, read)


def number(low: float, high: float, text: str, *, above: bool = False) -> Kind[float]:
    """Numbers from *low* (with *above*: more than it) to *high*, which NaN and inf are not."""

    def read(value: object) -> float:
        # `type`, as True is an int; the bounds refuse NaN, inf and what no float can hold.
        if type(value) not in (int, float) or not isinstance(value, int | float):
            raise Unfit
        if not low <= value <= high or (above and value == low):
            raise Unfit
        return float(value)

    least = "exclusiveMinimum" if above else "minimum"
    schema = {"type": "number", least: low, "maximum": high}
    return Kind(text, schema, read)


def choice(*words: str) -> Kind[str]:
    """One of *words*."""

    def read(value: object) -> str:
        if type(value) is not str or value not in words:
            raise Unfit
        return value

    return Kind(_one_of(words), {"enum": list(words)}, read)


def member(enum: type[E]) -> Kind[E]:
    """One member of *enum*, by its value."""
    words = choice(*enum)
    return Kind(words.text, words.schema, lambda value: enum(words.read(value)))


def list_of(kind: Kind[T], text: str) -> Kind[tuple[T, ...]]:
    """An array whose members are all of *kind*."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Unfit
        return tuple(map(kind.read, value))

    return Kind(text, {"type": "array", "items": kind.schema}, read)


def _one_of(words: tuple[str, ...]) -> str:
    quoted = [f'"{word}"' for word in words]
    return " or ".join((", ".join(quoted[:-1]), quoted[-1])) if len(quoted) > 1 else quoted[0]

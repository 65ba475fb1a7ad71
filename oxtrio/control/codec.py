"""Frozen dataclasses ↔ plain values (dicts, lists, strings, numbers), by their annotations.

For every type one function that writes it and one that reads it are made, once: `logs` and
`status` turn thousands of values. Reading is *strict* for what clients send (an unknown field
is a mistake, and named) and tolerant for what a supervisor answers (it may be newer).
"""

import types
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from math import isfinite
from typing import NoReturn, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from oxtrio.errors import ProtocolError

T = TypeVar("T")
Turn = Callable[[object], object]

PAIRS = tuple[tuple[str, str], ...]
"""A mapping that can be frozen; an object in JSON."""

LONGEST = 80
"""Characters of a client's own words that are quoted back to it."""

_NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "an array",
    dict: "an object",
    types.NoneType: "null",
}


class _Mismatch(Exception):
    """Some value is not what it should be; every level on the way out adds where it is."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.where = ""
        self.what = what
        self.hint = hint


@cache
def fields_of(cls: type) -> tuple[tuple[Field[object], object], ...]:
    """The fields of a dataclass, each with its resolved annotation."""
    hints = get_type_hints(cls)
    return tuple((field, hints[field.name]) for field in fields(cls))


def is_required(field: Field[object]) -> bool:
    """Whether a value must be given for *field*."""
    return field.default is MISSING and field.default_factory is MISSING


def to_plain(value: object, *, sparse: bool = False) -> object:
    """*value* (a dataclass, plain data, or a list of either) as plain data.

    *sparse* leaves out the fields that have their default. Requests are sparse, so that an
    older supervisor understands every request that uses nothing new.
    """
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if not is_dataclass(value):
        return value
    cls: type = type(value)
    plain = cast("dict[str, object]", _writer(cls)(value))
    if sparse:
        for field, _ in fields_of(cls):
            if getattr(value, field.name) == field.default:
                del plain[field.name]
    return plain


@cache
def _writer(hint: object) -> Turn:
    """What turns a value of type *hint* into plain data."""
    if hint == PAIRS:
        return cast("Turn", dict)
    if get_origin(hint) in (Union, types.UnionType):
        write = _writer(_only(hint))
        return lambda value: None if value is None else write(value)
    if get_origin(hint) is tuple:
        write = _writer(get_args(hint)[0])
        return lambda value: [write(item) for item in cast("tuple[object, ...]", value)]
    if is_dataclass(hint):
        parts = [(field.name, _writer(kind)) for field, kind in fields_of(cast("type", hint))]
        return lambda value: {name: write(getattr(value, name)) for name, write in parts}
    return str if issubclass(cast("type", hint), StrEnum) else _unchanged


def _unchanged(value: object) -> object:
    return value


def _only(union: object) -> object:
    """The type in `X | None`, the one kind of union that messages have."""
    [only] = (option for option in get_args(union) if option is not types.NoneType)
    return only


def from_plain(cls: type[T], data: object, *, strict: bool) -> T:
    """The *cls* that *data* stands for; raises `ProtocolError` that names what is wrong."""
    try:
        return cast("T", _reader(cast("type", cls), strict)(data))
    except _Mismatch as wrong:
        where = cls.__name__.lower() + wrong.where
        # Bounded, as both may quote what a client sent.
        raise ProtocolError(f"{where[:LONGEST]} {wrong.what}", wrong.hint) from None


@cache
def _reader(hint: object, strict: bool) -> Turn:
    """What turns plain data into a value of type *hint*; raises `_Mismatch`."""
    if hint == PAIRS:
        return _read_pairs
    if get_origin(hint) in (Union, types.UnionType):
        read = _reader(_only(hint), strict)
        return lambda data: None if data is None else read(data)
    if get_origin(hint) is tuple:
        return _array_reader(_reader(get_args(hint)[0], strict))
    if is_dataclass(hint):
        return _object_reader(cast("type", hint), strict)
    return _scalar_reader(cast("type", hint))


def _array_reader(read: Turn) -> Turn:
    def read_array(data: object) -> object:
        items, done = _expect(list, data), list[object]()
        try:
            for item in items:
                done.append(read(item))  # noqa: PERF401 - its length tells which one is wrong
        except _Mismatch as wrong:
            wrong.where = f"[{len(done)}]{wrong.where}"
            raise
        return tuple(done)

    return read_array


def _object_reader(cls: type, strict: bool) -> Turn:
    known = {field.name: _reader(hint, strict) for field, hint in fields_of(cls)}
    required = {field.name for field, _ in fields_of(cls) if is_required(field)}

    def read_object(data: object) -> object:
        table = _expect(dict, data)
        if strict and (strange := table.keys() - known.keys()):
            raise _Mismatch(
                f"has no field {min(strange)[:LONGEST]!r}", "fields: " + ", ".join(known)
            )
        if missing := required - table.keys():
            raise _Mismatch(f"lacks the field {min(missing)!r}")
        name, values = "", {}
        try:
            for name, read in known.items():
                if name in table:
                    values[name] = read(table[name])
        except _Mismatch as wrong:
            wrong.where = f".{name}{wrong.where}"
            raise
        return cls(**values)

    return read_object


def _read_pairs(data: object) -> object:
    table = _expect(dict, data)
    for name, value in table.items():
        if type(value) is not str:
            _mistake(str, value, f".{name}")
    return tuple(table.items())


def _scalar_reader(kind: type) -> Turn:
    if issubclass(kind, StrEnum):
        return lambda data: _read_choice(kind, data)
    if kind is float:
        return _read_float
    return lambda data: data if type(data) is kind else _mistake(kind, data)


def _read_choice(kind: type[StrEnum], data: object) -> object:
    try:
        return kind(_expect(str, data))
    except ValueError:
        raise _Mismatch(f"is {str(data)[:LONGEST]!r}, expected one of {', '.join(kind)}") from None


def _read_float(data: object) -> object:
    if type(data) is int:
        try:
            return float(data)
        except OverflowError:
            raise _Mismatch("is too large") from None
    if not isfinite(number := _expect(float, data)):
        raise _Mismatch("is not a finite number")
    return number


def _expect(kind: type[T], data: object) -> T:
    # Not isinstance: True is no number.
    return data if type(data) is kind else _mistake(kind, data)


def _mistake(kind: type, data: object, where: str = "") -> NoReturn:
    wrong = _Mismatch(f"must be {_NAMES[kind]}, is {_NAMES[type(data)]}")
    wrong.where = where
    raise wrong

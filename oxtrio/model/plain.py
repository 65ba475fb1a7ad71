"""Frozen dataclasses ↔ plain values (dicts, lists, strings, numbers), by their annotations.

For every type one function that writes it and one that reads it are made, once: `logs` and
`status` turn thousands of values. Reading is *strict* for what clients send (an unknown field
is a mistake, and named) and tolerant for what another version has written: a supervisor that
answers, or one that was here before.
"""

import types
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum, StrEnum
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
        return _union_writer(hint)
    if get_origin(hint) is tuple:
        return _array_writer(hint)
    if is_dataclass(hint):
        parts = [(field.name, _writer(kind)) for field, kind in fields_of(cast("type", hint))]
        return lambda value: {name: write(getattr(value, name)) for name, write in parts}
    return _scalar_writer(cast("type", hint))


def _scalar_writer(kind: type) -> Turn:
    if issubclass(kind, StrEnum):
        return str
    if issubclass(kind, Enum):
        # By name: the number of a signal is not the same everywhere.
        return lambda value: cast("Enum", value).name
    if kind is float:
        # A whole number too is one with a fraction: it is the same when it comes back.
        return lambda value: float(cast("float", value))
    return _unchanged


def _union_writer(union: object) -> Turn:
    writers = {kind: _writer(option) for kind, option in _options(union).items()}
    if len(writers) == 1:
        [write] = writers.values()
        return lambda value: None if value is None else write(value)
    return lambda value: None if value is None else writers[_kind_of(type(value))](value)


def _array_writer(hint: object) -> Turn:
    kinds = get_args(hint)
    if kinds[1:] == (Ellipsis,):
        write = _writer(kinds[0])
        return lambda value: [write(item) for item in cast("tuple[object, ...]", value)]
    writers = [_writer(kind) for kind in kinds]

    def write_all(value: object) -> object:
        items = zip(writers, cast("tuple[object, ...]", value), strict=True)
        return [write(item) for write, item in items]

    return write_all


def _unchanged(value: object) -> object:
    return value


def _options(union: object) -> dict[type, object]:
    """The types that *union* is made of but for None, each under what it is in plain data."""
    options = [option for option in get_args(union) if option is not types.NoneType]
    return {_kind_of(option): option for option in options}


def _kind_of(hint: object) -> type:
    """What a value of type *hint* is in plain data, as far as unions have to tell."""
    if hint is tuple or get_origin(hint) is tuple:
        return dict if hint == PAIRS else list
    if is_dataclass(hint):
        return dict
    kind = cast("type", hint)
    return str if issubclass(kind, Enum) else kind


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
        return _union_reader(hint, strict)
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if kinds[1:] == (Ellipsis,):
            return _array_reader(_reader(kinds[0], strict))
        return _row_reader([_reader(kind, strict) for kind in kinds])
    if is_dataclass(hint):
        return _object_reader(cast("type", hint), strict)
    return _scalar_reader(cast("type", hint))


def _union_reader(union: object, strict: bool) -> Turn:
    readers = {kind: _reader(option, strict) for kind, option in _options(union).items()}
    first = next(iter(readers.values()))
    if types.NoneType not in get_args(union):
        return lambda data: readers.get(type(data), first)(data)
    return lambda data: None if data is None else readers.get(type(data), first)(data)


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


def _row_reader(readers: list[Turn]) -> Turn:
    def read_row(data: object) -> object:
        items = _expect(list, data)
        if len(items) != len(readers):
            raise _Mismatch(f"must have {len(readers)} entries, has {len(items)}")
        return tuple(read(item) for read, item in zip(readers, items, strict=True))

    return read_row


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
    if issubclass(kind, Enum):
        return lambda data: _read_name(kind, data)
    if kind is float:
        return _read_float
    return lambda data: data if type(data) is kind else _mistake(kind, data)


def _read_choice(kind: type[StrEnum], data: object) -> object:
    try:
        return kind(_expect(str, data))
    except ValueError:
        raise _Mismatch(f"is {str(data)[:LONGEST]!r}, expected one of {', '.join(kind)}") from None


def _read_name(kind: type[Enum], data: object) -> object:
    name = _expect(str, data)
    if name not in kind.__members__:
        raise _Mismatch(f"is {name[:LONGEST]!r}, which is no {kind.__name__}")
    return kind[name]


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

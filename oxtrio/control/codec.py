"""Frozen dataclasses ↔ plain values (dicts, lists, strings, numbers), by their annotations.

One walk over the types serves both directions, and the OpenAPI document too. Reading is
*strict* for what clients send (an unknown field is a mistake, and named) and tolerant for
what a supervisor answers (it may be newer than we are).
"""

import types
from collections.abc import Iterable
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from math import isfinite
from typing import TypeVar, Union, cast, get_args, get_origin, get_type_hints

from oxtrio.errors import ProtocolError

T = TypeVar("T")

PAIRS = tuple[tuple[str, str], ...]
"""A mapping that can be frozen; an object in JSON."""


@cache
def fields_of(cls: type) -> tuple[tuple[Field[object], object], ...]:
    """The fields of a dataclass, each with its resolved annotation."""
    hints = get_type_hints(cls)
    return tuple((field, hints[field.name]) for field in fields(cls))


def is_required(field: Field[object]) -> bool:
    """Whether a value must be given for *field*."""
    return field.default is MISSING and field.default_factory is MISSING


def to_plain(value: object, *, sparse: bool = False) -> object:
    """*value* as plain data; *sparse* leaves out what has its default.

    Requests are sparse, so that an older supervisor understands every request that uses
    nothing new.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _field_to_plain(getattr(value, field.name), hint)
            for field, hint in fields_of(type(value))
            if not (sparse and getattr(value, field.name) == field.default)
        }
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, StrEnum) else value


def _field_to_plain(value: object, hint: object) -> object:
    if PAIRS in (hint, *get_args(hint)) and value is not None:
        return dict(cast("Iterable[tuple[str, str]]", value))
    return to_plain(value)


def from_plain(cls: type[T], data: object, *, strict: bool) -> T:
    """The *cls* that *data* stands for; raises `ProtocolError` that names what is wrong."""
    return cast("T", _read(cls, data, cls.__name__.lower(), strict))


def _read(hint: object, data: object, where: str, strict: bool) -> object:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        return None if data is None else _read(options[0], data, where, strict)
    if hint == PAIRS:
        return _read_pairs(data, where)
    if origin is tuple:
        items = _expect(list, data, where)
        item = get_args(hint)[0]
        return tuple(_read(item, one, f"{where}[{n}]", strict) for n, one in enumerate(items))
    if is_dataclass(hint):
        return _read_dataclass(cast("type", hint), data, where, strict)
    return _read_scalar(cast("type", hint), data, where)


def _read_dataclass(cls: type, data: object, where: str, strict: bool) -> object:
    table = _expect(dict, data, where)
    known = fields_of(cls)
    if strict and (strange := table.keys() - {field.name for field, _ in known}):
        raise ProtocolError(
            f"{where} has no field {min(strange)!r}",
            hint="fields: " + ", ".join(field.name for field, _ in known),
        )
    values = {}
    for field, hint in known:
        if field.name in table:
            values[field.name] = _read(hint, table[field.name], f"{where}.{field.name}", strict)
        elif is_required(field):
            raise ProtocolError(f"{where} lacks the field {field.name!r}")
    return cls(**values)


def _read_pairs(data: object, where: str) -> tuple[tuple[str, str], ...]:
    table = _expect(dict, data, where)
    return tuple((name, _expect(str, value, f"{where}.{name}")) for name, value in table.items())


def _read_scalar(kind: type, data: object, where: str) -> object:
    if issubclass(kind, StrEnum):
        try:
            return kind(_expect(str, data, where))
        except ValueError:
            choices = ", ".join(kind)
            raise ProtocolError(f"{where} is {data!r}, expected one of {choices}") from None
    if kind is float and type(data) is int:
        return _to_float(data, where)
    value = _expect(kind, data, where)
    if isinstance(value, float) and not isfinite(value):
        raise ProtocolError(f"{where} is not a finite number")
    return value


def _to_float(number: int, where: str) -> float:
    try:
        return float(number)
    except OverflowError:
        raise ProtocolError(f"{where} is too large") from None


def _expect(kind: type[T], data: object, where: str) -> T:
    # Not isinstance: True is no number.
    if type(data) is not kind:
        raise ProtocolError(f"{where} must be {_NAMES[kind]}, is {_NAMES.get(type(data), 'null')}")
    return data


_NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "an array",
    dict: "an object",
}

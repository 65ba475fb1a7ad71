"""The API described to machines: OpenAPI 3.1 from the route table and the dataclasses."""

import types
from collections.abc import Sequence
from dataclasses import is_dataclass
from enum import StrEnum
from typing import Union, get_args, get_origin

from oxtrio import __version__
from oxtrio.control.outbox import NDJSON, SERVER_SENT_EVENTS
from oxtrio.control.replies import ErrorReply
from oxtrio.control.route import Parameter, Route
from oxtrio.model.order import Report
from oxtrio.model.plain import PAIRS, fields_of, is_required

Plain = dict[str, object]

_SCALARS: dict[type, Plain] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    dict: {"type": "object"},
    types.NoneType: {"type": "null"},
}


def describe(routes: Sequence[Route]) -> Plain:
    """The OpenAPI document of *routes*, every type in it defined under `components`."""
    schemas: dict[str, Plain] = {}
    paths: dict[str, Plain] = {}
    for route in routes:
        paths.setdefault(route.pattern, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "oxtrio",
            "version": __version__,
            "description": "The control API of one supervisor. Fields are only ever added.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(route: Route, schemas: dict[str, Plain]) -> Plain:
    segments = route.pattern.split("/")
    names = [part[1:-1] for part in segments if part.startswith("{")]
    operation: Plain = {
        "summary": route.summary,
        "operationId": "_".join([route.method.lower(), *_words(route.pattern)]),
        "x-access": str(route.access),
        "parameters": [
            *(_path_parameter(name) for name in names),
            *(_parameter(one) for one in route.query),
        ],
        "responses": {
            "200": {"description": "Done", "content": _content(route, schemas)},
            "default": {
                "description": "It failed: what, why, and what to do next",
                "content": {"application/json": {"schema": schema(ErrorReply, schemas)}},
            },
        },
    }
    if route.takes is not None:
        body = {"application/json": {"schema": schema(route.takes, schemas)}}
        operation["requestBody"] = {"required": False, "content": body}
    return operation


def _words(pattern: str) -> list[str]:
    return [part.strip("{}").replace(".", "_") for part in pattern.split("/") if part]


def _content(route: Route, schemas: dict[str, Plain]) -> Plain:
    content: Plain = {}
    if route.gives is not None:
        one = schema(route.gives, schemas)
        whole = {"type": "array", "items": one} if route.many else one
        content["application/json"] = {"schema": whole}
    if route.lines:
        line: Plain = {"anyOf": [schema(kind, schemas) for kind in route.lines]}
        for style in (NDJSON, SERVER_SENT_EVENTS):
            content[style.content_type] = {"schema": line}
    return content


def _path_parameter(name: str) -> Plain:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _parameter(one: Parameter) -> Plain:
    kind = schema(one.kind, {})
    if one.repeated:
        kind = {"type": "array", "items": kind}
    return {"name": one.name, "in": "query", "description": one.summary, "schema": kind}


def schema(hint: object, schemas: dict[str, Plain]) -> Plain:
    """The JSON schema of *hint*; dataclasses are put into *schemas* and referred to."""
    if hint == PAIRS:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    if get_origin(hint) in (Union, types.UnionType):
        return {"anyOf": [schema(option, schemas) for option in get_args(hint)]}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": schema(get_args(hint)[0], schemas)}
    assert isinstance(hint, type)
    if is_dataclass(hint):
        if hint.__name__ not in schemas:
            schemas[hint.__name__] = {}  # a type may refer to itself
            schemas[hint.__name__] = _object(hint, schemas)
        return {"$ref": f"#/components/schemas/{hint.__name__}"}
    return {"type": "string", "enum": list(hint)} if issubclass(hint, StrEnum) else _SCALARS[hint]


def _object(cls: type, schemas: dict[str, Plain]) -> Plain:
    known = fields_of(cls)
    properties = {field.name: schema(hint, schemas) for field, hint in known}
    if cls is Report:
        properties["ok"] = {"type": "boolean"}
    return {
        "type": "object",
        "description": (cls.__doc__ or "").partition("\n")[0],
        "properties": properties,
        "required": [field.name for field, _ in known if is_required(field)],
    }

"""A JSON schema of oxfiles, for editors; made from the keys that the reader itself knows."""

from enum import Enum

from oxtrio.config.keys import Key, Later, Table
from oxtrio.config.tables.sockets import LISTEN
from oxtrio.config.tables.top import PROCESSES, TOP
from oxtrio.config.values import LONGEST_NAME, NAME


def json_schema() -> dict[str, object]:
    """The schema (draft 2020-12) that every valid oxfile meets.

    What depends on the machine or on several keys at once is beyond it: `oxtrio validate` tells.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "oxfile.toml",
        "description": "The apps that oxtrio supervises.",
        **_table(TOP),
        "required": [PROCESSES.name],
    }


def _table(table: Table) -> dict[str, object]:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {
            **{key.name: _key(key) for key in table.keys},
            **{key.name: _later(key) for key in table.later},
        },
        "additionalProperties": False,
    }
    required = [key.name for key in table.keys if key.required]
    return {**schema, "required": required} if required else schema


def _key(key: Key[object]) -> dict[str, object]:
    schema: dict[str, object] = {"description": key.meaning}
    if key is PROCESSES:
        assert key.table is not None
        names = {"pattern": f"^{NAME.pattern}$", "maxLength": LONGEST_NAME}
        apps = {"propertyNames": names, "minProperties": 1}
        return {**schema, "type": "object", "additionalProperties": _table(key.table), **apps}
    if key is LISTEN:
        assert key.table is not None
        one = [{"type": "string", "minLength": 1}, _table(key.table)]
        return {
            **schema,
            "anyOf": [*one, {"type": "array", "items": {"anyOf": one}, "minItems": 1}],
        }
    if key.table is not None:
        return {**schema, **_table(key.table)}
    if key.default is not None:
        schema["default"] = plain(key.default)
    return {**schema, **key.kind.schema}


def _later(key: Later) -> dict[str, object]:
    rule = {"not": {}} if key.only is None else {"const": key.only}
    return {"description": "Not supported yet.", **rule}


def plain(value: object) -> object:
    """A default as it would be written in an oxfile."""
    if isinstance(value, Enum):
        return value.name if isinstance(value.value, int) else str(value)
    return list(value) if isinstance(value, tuple) else value

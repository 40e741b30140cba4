"""JSON Schemas that several payload formats are described with."""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer", "format": "int64"}
NUMBER: Schema = {"type": "number"}
TIME: Schema = {"type": "string", "format": "date-time"}
TAGS: Schema = {
    "type": "object",
    "description": "The tags that you gave the message.",
    "additionalProperties": TEXT,
}


def present(names: Mapping[str, bool]) -> Schema:
    """Which properties an object must have, and which it must not."""
    required = [name for name, there in names.items() if there]
    absent: list[Schema] = [{"required": [name]} for name, there in names.items() if not there]
    schema: Schema = {"required": required} if required else {}
    if absent:
        schema["not"] = absent[0] if len(absent) == 1 else {"anyOf": absent}
    return schema


def nullable(schema: Schema) -> Schema:
    """The same, or null. Not by a list of types, which many generators of code cannot read."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these properties. It is open: a receiver ignores what it does not know, as a format may grow."""
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}

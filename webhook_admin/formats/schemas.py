"""JSON Schemas that several payload formats are described with."""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
TAGS: Schema = {
    "type": "object",
    "description": "The tags that you gave the message.",
    "additionalProperties": TEXT,
}


def present(names: Mapping[str, bool]) -> Schema:
    """Which properties an object must have, and which it must not."""
    return {
        "required": [name for name, there in names.items() if there],
        "properties": {name: False for name, there in names.items() if not there},
    }


def closed(title: str, required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these properties and no other. The title is what a generator names its class for."""
    return {
        "title": title,
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }

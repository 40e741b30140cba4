"""Options that are checked as the API checks the same field."""

from typing import Any

import click
from marshmallow import ValidationError, fields


class FieldType(click.ParamType[Any]):
    """A value of the command line, judged and converted by a schema's field."""

    def __init__(self, name: str, field: fields.Field[Any]) -> None:
        self.name = name
        self._field = field

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._field.deserialize(value)
        except ValidationError as error:
            faults: Any = error.messages
            self.fail(" ".join(fault.message for fault in faults), param, ctx)

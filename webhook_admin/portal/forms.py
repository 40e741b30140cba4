"""The fields of a form: checked by the API's own schemas, kept as they were typed, and what is wrong in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from webhook_admin.web.context import parts
from webhook_admin.web.fields import AllowedNetworks
from webhook_admin.web.records import Record


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed, by the names of the API, and either the values or a sentence for each field that is wrong.

    `trouble` is why what was asked for has not been done, where that is no field's fault.
    """

    given: Mapping[str, str]
    values: Mapping[str, Any] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""


def text(fields: MultiDict[str, str], name: str) -> str:
    """What was typed into a field, without NUL, which PostgreSQL cannot store."""
    return fields.get(name, "").strip().replace("\0", "\N{REPLACEMENT CHARACTER}")


def read(schema: Record, fields: MultiDict[str, str]) -> Form:
    """The form's fields that the schema has. Empty ones count as left out, or as null where the schema has that."""
    known = {str(each.data_key): each.allow_none for each in schema.load_fields.values()}
    given = {name: text(fields, name) for name in known if name in fields}
    wanted = {name: typed or None for name, typed in given.items() if typed or known[name]}
    try:
        with AllowedNetworks(parts().settings.allowed_networks):
            return Form(given, schema.load(wanted))
    except ValidationError as error:
        messages: Mapping[str, Any] = error.messages  # type: ignore[assignment]
        return Form(given, faults={name: faults[0].message for name, faults in messages.items()})

"""Objects that come by the hundred in one body, checked by the same fields as any other."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields

from webhook_admin.web.fields import ENOUGH_FAULTS, Checked
from webhook_admin.web.schemas import UNKNOWN_FIELD, WRONG_TYPE, Schema

Faults = dict[Any, Any]
"""What is wrong: a list of faults for each field's name, or again a dictionary for what is nested."""


class _NoField(fields.Field[Any]):
    """Stands for all fields that a schema does not have."""

    def deserialize(self, *_args: Any, **_options: Any) -> Any:
        """Refuse it."""
        raise ValidationError([UNKNOWN_FIELD])


_NO_FIELD = ("", _NoField())


class Record(Schema):
    """A schema with a `load` of its own: a field that is there is checked by itself, and nothing else is done.

    marshmallow's, with its hooks and options, takes two to three times as long for the same answer. Where it reports
    several unknown fields in no order, this reports everything in the order of the object.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._by_name = {str(field.data_key): (name, field) for name, field in self.load_fields.items()}
        self._required = [name for name, (_, field) in self._by_name.items() if field.required]

    def load(self, data: Any, **_options: Any) -> dict[str, Any]:
        """The object's values by the names of the schema's fields. Raises `ValidationError`."""
        if not isinstance(data, dict):
            raise ValidationError([WRONG_TYPE])
        values: dict[str, Any] = {}
        faults: Faults = {}
        for name, value in data.items():
            attribute, field = self._by_name.get(name, _NO_FIELD)
            try:
                values[attribute] = field.deserialize(value)
            except ValidationError as error:
                faults[name] = error.messages
                if len(faults) == ENOUGH_FAULTS:
                    break
        for name in self._required:
            if name not in data:
                faults[name] = self._by_name[name][1].make_error("required").messages
        faults = self.misplaced(values, data) | faults
        if faults:
            raise ValidationError(faults)
        return values

    def misplaced(self, values: Mapping[str, Any], data: Mapping[str, Any]) -> Faults:
        """The faults of fields that do not go with the others, by the `values` that are right and all `data`."""
        return {}


class Object(Checked, fields.Nested):
    """One object of a schema."""


class Objects(Checked, fields.List[Any]):
    """A list of 1 to `most` objects of a schema."""

    default_error_messages = {
        "invalid": "Must be a list.",
        "empty": "Must not be empty.",
        "too_many": "Must not have more than {most} items.",
    }

    def __init__(self, schema: type[Record], most: int, **options: Any) -> None:
        self.most, self.schema = most, schema()
        limits = {"minItems": 1, "maxItems": most}
        super().__init__(fields.Nested(schema), metadata=limits | options.pop("metadata", {}), **options)

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        if not value:
            raise self.make_error("empty")
        if len(value) > self.most:
            raise self.make_error("too_many", most=self.most)
        loaded: list[Any] = []
        faults: Faults = {}
        for place, item in enumerate(value):
            try:
                loaded.append(self.schema.load(item))
            except ValidationError as error:
                faults[place] = error.messages
        if faults:
            raise ValidationError(faults)
        return loaded

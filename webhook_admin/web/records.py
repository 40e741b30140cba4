"""What all shapes have in common: requests are closed, answers are open, and JSON's names are the camelCase of ours."""

from collections.abc import Mapping
from typing import Any

import marshmallow
from marshmallow import EXCLUDE, RAISE, ValidationError, fields

from webhook_admin.web.fields import ENOUGH_FAULTS, Checked, Fault

UNKNOWN_FIELD = Fault("unknown_field", "There is no such field here.")
WRONG_TYPE = Fault("wrong_type", "Must be a JSON object.")
Faults = dict[Any, Any]
"""What is wrong: a list of faults for each field's name, or again a dictionary for what is nested."""


def json_name(name: str) -> str:
    """The camelCase of one of our names."""
    first, *words = name.split("_")
    return first + "".join(map(str.capitalize, words))


class _Schema(marshmallow.Schema):
    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Name the field in JSON."""
        field_obj.data_key = json_name(field_name)


class Answer(_Schema):
    """An object that has these fields, and may have others one day: clients ignore what they do not know."""

    class Meta:
        unknown = EXCLUDE


class Parameters(_Schema):
    """The parameters of a query: these and no others."""

    class Meta:
        unknown = RAISE

    error_messages = {
        "unknown": UNKNOWN_FIELD,  # type: ignore[dict-item]  # kept as it is
    }


class _NoField(fields.Field[Any]):
    """Stands for all fields that a schema does not have."""

    def deserialize(self, *_args: Any, **_options: Any) -> Any:
        """Refuse it."""
        raise ValidationError([UNKNOWN_FIELD])


_NO_FIELD = ("", _NoField())


class Record(_Schema):
    """An object of a request, which has these fields and no others.

    It has a `load` of its own: a field that is there is checked by itself, and nothing else is done. marshmallow's,
    with its hooks and options, takes two to three times as long for the same answer, and looks at every unknown field.
    """

    class Meta:
        unknown = RAISE

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._by_name = {str(each.data_key): (each.attribute or name, each) for name, each in self.load_fields.items()}
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
        count = 0
        for place, item in enumerate(value):
            try:
                loaded.append(self.schema.load(item))
            except ValidationError as error:
                faults[place] = error.messages
                count += len(error.messages)
                if count >= ENOUGH_FAULTS:
                    break
        if faults:
            raise ValidationError(faults)
        return loaded

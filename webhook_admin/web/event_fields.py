"""Fields that only the canonical event has."""

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from marshmallow import ValidationError, fields

from webhook_admin.web.fields import ENOUGH_FAULTS, RFC_3339, Checked, Text

_INT64 = range(-(2**63), 2**63)


class EventTime(Checked, fields.String):
    """A moment in RFC 3339 with an offset, kept as text in UTC with `Z`: its digits as they are, however many.

    Only of one with another offset than `Z` are the digits before the fraction worked out anew.
    """

    default_error_messages = {
        "invalid": "Must be a date and time with an offset, as in 2026-04-09T14:39:40.69257Z.",
        "too_long": "Must not be longer than {most} characters.",
    }
    _MOST = 1024

    def __init__(self, **options: Any) -> None:
        limits = {"format": "date-time", "maxLength": self._MOST}
        super().__init__(metadata=limits | options.pop("metadata", {}), **options)

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if len(value) > self._MOST:
            raise self.make_error("too_long", most=self._MOST)
        written = RFC_3339.fullmatch(value)
        if written is None:
            raise self.make_error("invalid")
        day, time, fraction, offset = written.groups("")
        try:
            if offset in "Zz":
                date.fromisoformat(day)
                return value if value[10] == "T" and offset == "Z" else f"{day}T{time}{fraction}Z"
            moment = datetime.fromisoformat(f"{day}T{time}{offset}").astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.make_error("invalid") from None
        return f"{moment.replace(tzinfo=None).isoformat()}{fraction}Z"


class Count(Checked, fields.Integer):
    """A whole number from 1, of at most 64 bits."""

    default_error_messages = {"invalid": "Must be a whole number from 1 to 9223372036854775807."}

    def __init__(self) -> None:
        super().__init__(metadata={"minimum": 1, "format": "int64"})

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> int:
        number = integer(value)
        if number is None or number < 1:
            raise self.make_error("invalid")
        return number


class Number(Checked, fields.Float):
    """A number within a double's range: JSON has others, such as 1e400."""

    default_error_messages = {"invalid": "Must be a number within a double's range."}

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise self.make_error("invalid")
        return value


class ErrorCode(Checked):
    """What a carrier or provider numbers or names its errors by: an integer of at most 64 bits, or a string."""

    default_error_messages = {"invalid": "Must be a string, or an integer of at most 64 bits."}
    _TEXT = Text(least=0)

    def __init__(self, **options: Any) -> None:
        either = {"anyOf": [{"type": "string", "maxLength": self._TEXT.most}, {"type": "integer", "format": "int64"}]}
        super().__init__(metadata=either | options.pop("metadata", {}), **options)

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> int | str:
        if isinstance(value, str):
            return str(self._TEXT.deserialize(value))
        number = integer(value)
        if number is None:
            raise self.make_error("invalid")
        return number


class Texts(Checked, fields.List[Any]):
    """A list of strings."""

    default_error_messages = {"invalid": "Must be a list of strings."}

    def __init__(self, **options: Any) -> None:
        super().__init__(Text(least=0), **options)

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        check_each(enumerate(value), self.inner)
        return value


class Tags(Checked, fields.Dict):
    """An object of at most 50 strings."""

    default_error_messages = {
        "invalid": "Must be an object of strings.",
        "too_many": "Must not have more than {most} tags.",
        "bad_name": "A tag's name must have 1 to {most} characters.",
    }
    _MOST = 50
    _NAME = Text(most=64)
    _VALUE = Text(least=0, most=512)

    def __init__(self, **options: Any) -> None:
        limits = {"maxProperties": self._MOST, "propertyNames": self._NAME.metadata}
        super().__init__(values=self._VALUE, metadata=limits | options.pop("metadata", {}), **options)

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        if len(value) > self._MOST:
            raise self.make_error("too_many", most=self._MOST)
        if not all(self._NAME.least <= len(name) <= self._NAME.most for name in value):
            raise self.make_error("bad_name", most=self._NAME.most)
        check_each(value.items(), self._VALUE)
        return value


def check_each(members: Iterable[tuple[Any, Any]], field: fields.Field[Any]) -> None:
    """Raise `ValidationError` for the members, by their names or places, that the field refuses."""
    faults = {}
    for name, member in members:
        try:
            field.deserialize(member)
        except ValidationError as error:
            faults[name] = error.messages
            if len(faults) == ENOUGH_FAULTS:
                break
    if faults:
        raise ValidationError(faults)


def integer(value: Any) -> int | None:
    """The integer of at most 64 bits that a JSON number is, as 2 and 2.0 are (JSON Schema Validation, 6.1.1)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # Never a float: it would be looked for in the range number by number.
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return value if is_integer and value in _INT64 else None


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False

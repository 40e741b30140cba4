"""Fields that say what is wrong with a value in a code and a sentence."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from marshmallow import ValidationError, fields

from webhook_admin import callback_urls
from webhook_admin.web.scope import parts

# RFC 3339, section 5.6.
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Fault(NamedTuple):
    """What is wrong with a value: for programs, and for people."""

    code: str
    message: str


class _Faulty(fields.Field[Any]):
    """Reports marshmallow's own errors as faults, their keys being the codes."""

    default_error_messages = {
        "required": "This field is required.",
        "null": "This field may not be null.",
    }

    def make_error(self, key: str, **values: Any) -> ValidationError:
        messages = super().make_error(key, **values).messages
        return ValidationError([Fault(key, str(message)) for message in messages])


class Text(_Faulty, fields.String):
    """A string of 1 to `most` characters; with `choices`, one of those; with `form`, one that it matches as a whole."""

    default_error_messages = {
        "invalid": "Must be a string.",
        "empty": "Must not be empty.",
        "too_long": "Must not be longer than {most} characters.",
        "unknown_value": "Must be one of: {choices}.",
        "malformed": "Must have the form {form}.",
    }

    def __init__(self, most: int = 1024, choices: Iterable[str] = (), form: str = "", **options: Any) -> None:
        self.most, self.choices, self.form = most, list(choices), form
        limits: dict[str, Any] = {"enum": self.choices} if self.choices else {"minLength": 1, "maxLength": most}
        if form:
            limits["pattern"] = f"^{form}$"
        super().__init__(metadata=limits | options.pop("metadata", {}), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **options)
        if self.choices and text not in self.choices:
            raise self.make_error("unknown_value", choices=", ".join(self.choices))
        if not text:
            raise self.make_error("empty")
        if len(text) > self.most:
            raise self.make_error("too_long", most=self.most)
        if self.form and not re.fullmatch(self.form, text, re.ASCII):
            raise self.make_error("malformed", form=self.form)
        return text


class CallbackUrl(_Faulty, fields.String):
    """An HTTPS URL that notifications may be sent to; kept exactly as it was given."""

    default_error_messages = {"invalid": "Must be a string."}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **options)
        try:
            callback_urls.parse(text, parts().settings.allowed_networks)
        except callback_urls.InvalidCallbackUrl as error:
            raise ValidationError([Fault(error.code, error.message)]) from None
        return text


class Timestamp(_Faulty, fields.DateTime):
    """RFC 3339 with an offset; in UTC with `Z` on the way out."""

    default_error_messages = {"invalid": "Must be a date and time with an offset, as in 2026-01-31T09:30:00Z."}

    def _serialize(self, value: datetime | None, *_args: Any, **_options: Any) -> str | None:
        return None if value is None else value.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> datetime:
        if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
            raise self.make_error("invalid")
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.make_error("invalid") from None


class Limit(_Faulty, fields.Integer):
    """How many items a page may have: 1 to 500."""

    default_error_messages = {"invalid": "Must be a whole number from 1 to 500."}

    def __init__(self) -> None:
        super().__init__(
            load_default=100,
            metadata={"minimum": 1, "maximum": 500, "description": "How many items at most."},
        )

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> int:
        if not re.fullmatch("0*[1-9][0-9]{0,2}", value, re.ASCII) or int(value) > 500:
            raise self.make_error("invalid")
        return int(value)

"""Fields that say what is wrong with a value in a code and a sentence."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from marshmallow import ValidationError, fields, missing
from marshmallow.experimental.context import Context

from webhook_admin import callback_urls
from webhook_admin.field_errors import Code
from webhook_admin.web.enumerations import Enumeration

AllowedNetworks = Context[Sequence[callback_urls.Network]]
"""The settings' `ALLOWED_NETWORKS`, in force while a body with callback URLs is loaded."""

# RFC 3339, section 5.6, without leap seconds, which Python has no time for. It does not say which days a month has.
_HOUR_MINUTE = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
RFC_3339 = re.compile(
    rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})[Tt]({_HOUR_MINUTE}:[0-5][0-9])(\.[0-9]+)?([Zz]|[+-]{_HOUR_MINUTE})"
)


# After so many no more are looked for: a body could have 200,000, and 100 are listed.
ENOUGH_FAULTS = 200


class Fault(NamedTuple):
    """What is wrong with a value: for programs, and for people."""

    code: Code
    message: str


class Checked(fields.Field[Any]):
    """A field that is checked by its `_deserialize` alone. Reports errors as faults, their keys being the codes."""

    default_error_messages = {
        "required": "This field is required.",
        "null": "This field may not be null.",
    }

    def make_error(self, key: str, **values: Any) -> ValidationError:
        messages = super().make_error(key, **values).messages
        return ValidationError([Fault(cast("Code", key), str(message)) for message in messages])

    def deserialize(
        self, value: Any, attr: str | None = None, data: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """The value as the field keeps it. Raises `ValidationError`."""
        if value is None or value is missing:
            return super().deserialize(value, attr, data, **options)
        # Not by way of marshmallow's list of validators: ours is empty, and going through it takes twice the time.
        return self._deserialize(value, attr, data, **options)


class Text(Checked, fields.String):
    """A string of `least` to `most` characters; with `form`, one that it matches."""

    default_error_messages = {
        "invalid": "Must be a string.",
        "empty": "Must not be empty.",
        "too_long": "Must not be longer than {most} characters.",
        "malformed": "Must have the form {form}.",
    }

    def __init__(self, least: int = 1, most: int = 1024, form: str = "", **options: Any) -> None:
        self.least, self.most = least, most
        self.form = re.compile(form, re.ASCII) if form else None
        limits: dict[str, Any] = {"minLength": least, "maxLength": most} if least else {"maxLength": most}
        if form:
            limits["pattern"] = f"^{form}$"
        super().__init__(metadata=limits | options.pop("metadata", {}), **options)

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if len(value) < self.least:
            raise self.make_error("empty")
        if len(value) > self.most:
            raise self.make_error("too_long", most=self.most)
        if self.form and not self.form.fullmatch(value):
            raise self.make_error("malformed", form=self.form.pattern)
        return value


class Choice(Checked, fields.String):
    """One of the strings of an enumeration."""

    default_error_messages = {
        "invalid": "Must be a string.",
        "unknown_value": "Must be one of: {choices}.",
    }

    def __init__(self, enumeration: Enumeration, **options: Any) -> None:
        self.enumeration = enumeration
        self._values = frozenset(enumeration)
        super().__init__(**options)

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if value not in self._values:
            raise self.make_error("unknown_value", choices=", ".join(self.enumeration))
        return value


class Choices(Checked, fields.List[Any]):
    """One or more of the strings of an enumeration; each counts once."""

    default_error_messages = {
        "invalid": "Must be a list.",
        "empty": "Must not be empty.",
        "too_many": "Must not have more than {most} items.",
    }

    def __init__(self, enumeration: Enumeration, most: int = 50, **options: Any) -> None:
        self.most = most
        limits = {"minItems": 1, "maxItems": most}
        super().__init__(Choice(enumeration), metadata=limits | options.pop("metadata", {}), **options)

    def _deserialize(self, value: Any, *arguments: Any, **options: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        if not value:
            raise self.make_error("empty")
        if len(value) > self.most:
            raise self.make_error("too_many", most=self.most)
        return list(dict.fromkeys(super()._deserialize(value, *arguments, **options) or []))


class CallbackUrl(Checked, fields.String):
    """An HTTPS URL that notifications may be sent to; kept exactly as it was given."""

    default_error_messages = {"invalid": "Must be a string."}

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        try:
            callback_urls.parse(value, AllowedNetworks.get())
        except callback_urls.InvalidCallbackUrl as error:
            raise ValidationError([Fault(cast("Code", error.code), error.message)]) from None
        return value


class Timestamp(Checked, fields.DateTime):
    """RFC 3339 with an offset; in UTC with `Z` on the way out."""

    default_error_messages = {"invalid": "Must be a date and time with an offset, as in 2026-01-31T09:30:00Z."}

    def _serialize(self, value: datetime | None, *_args: Any, **_options: Any) -> str | None:
        return None if value is None else value.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> datetime:
        if not isinstance(value, str) or not RFC_3339.fullmatch(value):
            raise self.make_error("invalid")
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.make_error("invalid") from None


class Until(Timestamp):
    """On the way out: when something ends, null once it has ended."""

    def _serialize(self, value: datetime | None, *arguments: Any, **options: Any) -> str | None:
        return super()._serialize(value if value and value > datetime.now(UTC) else None, *arguments, **options)


class Flag(Checked, fields.Boolean):
    """true or false, and nothing that stands for one of them."""

    default_error_messages = {"invalid": "Must be true or false."}

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class FlagText(Checked, fields.Boolean):
    """A parameter of a query: `true` or `false`."""

    default_error_messages = {"invalid": "Must be true or false."}

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> bool:
        if value not in {"true", "false"}:
            raise self.make_error("invalid")
        return bool(value == "true")


class WholeNumber(Checked, fields.Integer):
    """A parameter of a query: a whole number from 1 to `most`, of at most three digits."""

    default_error_messages = {"invalid": "Must be a whole number from 1 to {most}."}

    def __init__(self, most: int, default: int, description: str) -> None:
        self.most = most
        super().__init__(load_default=default, metadata={"minimum": 1, "maximum": most, "description": description})

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> int:
        if not re.fullmatch("0*[1-9][0-9]{0,2}", value, re.ASCII) or int(value) > self.most:
            raise self.make_error("invalid", most=self.most)
        return int(value)

"""A field for a number of seconds."""

from typing import Any

from marshmallow import fields

from webhook_admin.web.event_fields import integer
from webhook_admin.web.fields import Checked


class Seconds(Checked, fields.Integer):
    """A whole number of seconds from `least` to `most`; `shown` is `most` in words."""

    default_error_messages = {"invalid": "Must be a whole number from {least} to {most} ({shown})."}

    def __init__(self, least: int, most: int, shown: str, description: str) -> None:
        self.least, self.most, self.shown = least, most, shown
        super().__init__(metadata={"minimum": least, "maximum": most, "description": description})

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> int:
        number = integer(value)
        if number is None or not self.least <= number <= self.most:
            raise self.make_error("invalid", least=self.least, most=self.most, shown=self.shown)
        return number

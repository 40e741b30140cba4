"""The shapes of a notification as a receiver has it, and of what is wrong with it."""

from typing import Any

from marshmallow import fields

from webhook_admin.web.enumerations import FINDING_CODE
from webhook_admin.web.event_fields import check_each
from webhook_admin.web.fields import Checked, Choice, Text
from webhook_admin.web.records import Answer, Record

# Characters; the call's own body may have 64 KiB, the headers included.
_MAX_TEXT = 60_000


class _HeaderValue(Checked):
    """A header's value; a list of them, as some frameworks have it."""

    default_error_messages = {"invalid": "Must be a string, or a list of strings."}

    def __init__(self) -> None:
        text = {"type": "string"}
        super().__init__(metadata={"anyOf": [text, {"type": "array", "items": text}]})

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> Any:
        if not all(isinstance(each, str) for each in (value if isinstance(value, list) else [value])):
            raise self.make_error("invalid")
        return value


class _Headers(Checked, fields.Dict):
    """An object of headers."""

    default_error_messages = {"invalid": "Must be an object of headers."}
    _VALUE = _HeaderValue()

    def __init__(self, **options: Any) -> None:
        super().__init__(values=self._VALUE, **options)

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        check_each(value.items(), self._VALUE)
        return value


class VerifyInput(Record):
    headers = _Headers(
        required=True,
        metadata={
            "description": "The notification's headers, by name, in upper or lower case. Others than `webhook-id`, "
            "`webhook-timestamp` and `webhook-signature` do not count."
        },
    )
    body = Text(required=True, least=0, most=_MAX_TEXT, metadata={"description": "The body, as text."})


class Finding(Answer):
    code = Choice(FINDING_CODE, required=True)
    message = fields.String(required=True, metadata={"description": "What is wrong and what to do, for people."})


class Verdict(Answer):
    valid = fields.Boolean(
        required=True, metadata={"description": "Whether a receiver with the webhook's secret accepts it now."}
    )
    findings = fields.List(
        fields.Nested(Finding),
        required=True,
        metadata={"description": "All that is wrong. Of a valid notification, what other receivers may refuse it for."},
    )
    signed_content = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "`<webhook-id>.<webhook-timestamp>.<body>`, which the signature is made over: with the body "
            "that was sent, if it is known, otherwise with the body of this call. null without id or timestamp."
        },
    )


EXAMPLE = {
    "headers": {
        "webhook-id": "dlv_0199c7a2b6f07d3e8a51c04f6e2b9d18",
        "webhook-timestamp": "1775745580",
        "webhook-signature": "v1,kh5KMB21iU6hGmp2hO7dQyJkV3oYV3oZk1sL9xq0uXk=",
    },
    "body": '{"eventId": "evt-48151623-2", "messageId": "48151623"}\n',
}

"""The shapes of what goes in and out. JSON's names are the camelCase of ours; the examples are the documentation's."""

from typing import Any

import marshmallow
from marshmallow import RAISE, fields

from webhook_admin import formats
from webhook_admin.accounts import ACCOUNT_ID
from webhook_admin.events import Status
from webhook_admin.web.fields import CallbackUrl, Fault, Limit, Text, Timestamp
from webhook_admin.webhooks import DisabledReason, WebhookStatus

_ACCOUNT_ID = {
    "description": "The platform's own id of the account.",
    "pattern": f"^{ACCOUNT_ID.pattern}$",
    "examples": ["acme"],
}
_CALLBACK_URL = {
    "description": "Where notifications are POSTed to: HTTPS on a public host, without userinfo and fragment.",
    "format": "uri",
    "maxLength": 2048,
    "examples": ["https://hooks.example.com/delivery-status?tenant=42"],
}
_PAYLOAD_FORMAT = {
    "description": f"How notifications are written. Left out: `{formats.DEFAULT}` in POST, unchanged in PUT.",
    "examples": [formats.DEFAULT],
}
_DESCRIPTION = {"description": "A note of your own.", "examples": ["Production"]}
_ACCOUNT_NAME = {"description": "What people call the account.", "examples": ["Acme Ltd"]}
_KEY_NAME = {"description": "What people call the key.", "examples": ["deploy script"]}
_NEXT = fields.String(
    required=True,
    allow_none=True,
    metadata={"description": "What to send as `after` for the next page; null on the last."},
)
_EXPIRES_AT = {
    "description": "From when on the key no longer works; null: never.",
    "examples": ["2027-01-31T00:00:00Z"],
}


UNKNOWN_FIELD = Fault("unknown_field", "There is no such field here.")
WRONG_TYPE = Fault("wrong_type", "Must be a JSON object.")


def _absent() -> None:
    """The value of a parameter that was not sent; a function, as a plain default would be documented."""


class Schema(marshmallow.Schema):
    """An object with these fields and no others."""

    class Meta:
        unknown = RAISE

    error_messages = {
        "type": WRONG_TYPE,  # type: ignore[dict-item]  # kept as it is
        "unknown": UNKNOWN_FIELD,  # type: ignore[dict-item]
    }

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Name the field in JSON."""
        first, *words = field_name.split("_")
        field_obj.data_key = first + "".join(map(str.capitalize, words))


class WebhookInput(Schema):
    callback_url = CallbackUrl(required=True, metadata=_CALLBACK_URL)
    payload_format = Text(choices=formats.FORMATS, metadata=_PAYLOAD_FORMAT)
    description = Text(allow_none=True, metadata=_DESCRIPTION)


class Webhook(Schema):
    id = Text(required=True, metadata={"description": "The same for as long as the webhook exists."})
    callback_url = fields.String(required=True, metadata=_CALLBACK_URL)
    payload_format = Text(required=True, choices=formats.FORMATS)
    description = Text(required=True, allow_none=True, metadata=_DESCRIPTION)
    status = Text(
        required=True,
        choices=WebhookStatus,
        metadata={"description": "DISABLED: nothing is sent; PUT makes it ACTIVE again."},
    )
    disabled_reason = Text(
        required=True,
        allow_none=True,
        choices=DisabledReason,
        metadata={"description": "GONE: the receiver has answered 410.", "enum": [*DisabledReason, None]},
    )
    created_at = Timestamp(required=True)
    updated_at = Timestamp(required=True)


class NewWebhook(Webhook):
    signing_secret = Text(
        required=True,
        metadata={
            "description": "Verifies notifications (Standard Webhooks). Shown only here.",
            "examples": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwbXl9SUrE4Rk="],
        },
    )


class AccountWebhook(Webhook):
    account_id = fields.String(required=True, metadata=_ACCOUNT_ID)


class AccountInput(Schema):
    name = Text(allow_none=True, metadata=_ACCOUNT_NAME)


class Account(Schema):
    id = fields.String(required=True, metadata=_ACCOUNT_ID)
    name = Text(required=True, allow_none=True, metadata=_ACCOUNT_NAME)
    created_at = Timestamp(required=True)
    updated_at = Timestamp(required=True)


class KeyInput(Schema):
    name = Text(allow_none=True, metadata=_KEY_NAME)
    expires_at = Timestamp(allow_none=True, metadata=_EXPIRES_AT)


class _AnyKey(Schema):
    id = Text(required=True, metadata={"description": "Names the key without being secret."})
    account_id = fields.String(
        required=True, allow_none=True, metadata=_ACCOUNT_ID | {"description": "null: a platform key."}
    )
    name = Text(required=True, allow_none=True, metadata=_KEY_NAME)
    created_at = Timestamp(required=True)
    expires_at = Timestamp(required=True, allow_none=True, metadata=_EXPIRES_AT)


class Key(_AnyKey):
    last_used_at = Timestamp(required=True, allow_none=True, metadata={"description": "To the minute."})


class NewKey(_AnyKey):
    key = Text(required=True, metadata={"description": "The key itself. Shown only here."})


class AccountPage(Schema):
    items = fields.List(fields.Nested(Account), required=True)
    next = _NEXT


class KeyPage(Schema):
    items = fields.List(fields.Nested(Key), required=True)
    next = _NEXT


class WebhookPage(Schema):
    items = fields.List(fields.Nested(AccountWebhook), required=True)
    next = _NEXT


class PageInput(Schema):
    limit = Limit()
    after = Text(
        form=ACCOUNT_ID.pattern,
        most=64,
        load_default=_absent,
        metadata={"description": "Where to go on: `next` of the page before."},
    )


class WebhookPageInput(PageInput):
    status = Text(load_default=_absent, choices=WebhookStatus, metadata={"description": "Only those of this status."})


class NoParameters(Schema):
    pass


class PayloadFormat(Schema):
    name = Text(required=True, choices=formats.FORMATS)
    description = fields.String(required=True, metadata={"description": "What it is, and whose."})
    success = Text(
        required=True,
        choices=["2xx", "200"],
        metadata={"description": "The HTTP status by which a receiver acknowledges; `2xx` is any from 200 to 299."},
    )
    examples = fields.Dict(
        keys=Text(choices=Status),
        values=fields.Dict(),
        required=True,
        metadata={"description": "A body for each status that it can say, by status. Events in others are skipped."},
    )


class PayloadFormatList(Schema):
    items = fields.List(fields.Nested(PayloadFormat), required=True)


class FieldError(Schema):
    field = fields.String(required=True, metadata={"description": "The field's path, or the parameter or header."})
    code = fields.String(required=True, metadata={"description": "What is wrong, for programs."})
    message = fields.String(required=True, metadata={"description": "What is wrong, for people."})


class Problem(Schema):
    type = fields.String(required=True, metadata={"description": "Which problem it is, for programs.", "format": "uri"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "What is wrong and what to do, for people."})
    errors = fields.List(fields.Nested(FieldError), metadata={"description": "With 400: everything that is wrong."})
    correlation_id = fields.String(metadata={"description": "With 500: finds the failure in the service's log."})


class Health(Schema):
    status = Text(required=True, choices=["ok"])

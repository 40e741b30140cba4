"""The shapes of what goes in and out; the examples are the documentation's."""

from marshmallow import fields

from webhook_admin import formats
from webhook_admin.accounts import ACCOUNT_ID
from webhook_admin.web.enumerations import (
    DISABLED_REASON,
    FIELD_ERROR_CODE,
    MESSAGE_STATUS,
    ORDERING,
    PAYLOAD_FORMAT_NAME,
    PROBLEM_TYPE,
    SUCCESS_RULE,
    SUPERSEDED,
    WEBHOOK_STATUS,
)
from webhook_admin.web.fields import CallbackUrl, Choice, FlagText, Text, Timestamp, Until, WholeNumber
from webhook_admin.web.records import Answer, Parameters, Record

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
_ORDERING = {
    "description": "Whether a message's statuses wait for each other. Left out: `none` in POST, unchanged in PUT.",
    "examples": ["none"],
}
_SUPERSEDED = {
    "description": "Whether statuses are sent that a newer one has superseded. Left out: `send` in POST, unchanged in "
    "PUT. Newer is by rank, `QUEUED` < `SENDING` < `SENT` < `DELIVERED`, `UNDELIVERED`, `FAILED`, `REJECTED`, "
    "`EXPIRED` < `READ`, and within a rank by `timestamp`.",
    "examples": ["send"],
}
PREVIOUS_SECRET_EXPIRES_AT = {
    "description": "Until then, notifications are signed with the secret before the latest rotation, too; null: they "
    "are signed with one secret.",
    "examples": ["2026-02-01T09:30:00.123456Z"],
}
SIGNING_SECRET = {
    "description": "Verifies notifications (Standard Webhooks). Shown only here.",
    "examples": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwbXl9SUrE4Rk="],
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


def _absent() -> None:
    """The value of a parameter that was not sent; a function, as a plain default would be documented."""


class WebhookInput(Record):
    callback_url = CallbackUrl(required=True, metadata=_CALLBACK_URL)
    payload_format = Choice(PAYLOAD_FORMAT_NAME, metadata=_PAYLOAD_FORMAT)
    description = Text(allow_none=True, metadata=_DESCRIPTION)
    ordering = Choice(ORDERING, metadata=_ORDERING)
    superseded = Choice(SUPERSEDED, metadata=_SUPERSEDED)


class Webhook(Answer):
    id = Text(required=True, metadata={"description": "The same for as long as the webhook exists."})
    callback_url = fields.String(required=True, metadata=_CALLBACK_URL)
    payload_format = Choice(PAYLOAD_FORMAT_NAME, required=True)
    description = Text(required=True, allow_none=True, metadata=_DESCRIPTION)
    ordering = Choice(ORDERING, required=True)
    superseded = Choice(SUPERSEDED, required=True)
    status = Choice(WEBHOOK_STATUS, required=True)
    disabled_reason = Choice(DISABLED_REASON, required=True, allow_none=True)
    failing_since = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "When the first of the failures since the latest success was; null: it succeeds."},
    )
    previous_secret_expires_at = Until(required=True, allow_none=True, metadata=PREVIOUS_SECRET_EXPIRES_AT)
    created_at = Timestamp(required=True)
    updated_at = Timestamp(required=True)


class CreatedWebhook(Webhook):
    signing_secret = Text(required=True, metadata=SIGNING_SECRET)


class AccountWebhook(Webhook):
    account_id = fields.String(required=True, metadata=_ACCOUNT_ID)


class AccountInput(Record):
    name = Text(allow_none=True, metadata=_ACCOUNT_NAME)


class Account(Answer):
    id = fields.String(required=True, metadata=_ACCOUNT_ID)
    name = Text(required=True, allow_none=True, metadata=_ACCOUNT_NAME)
    created_at = Timestamp(required=True)
    updated_at = Timestamp(required=True)


class KeyInput(Record):
    name = Text(allow_none=True, metadata=_KEY_NAME)
    expires_at = Timestamp(allow_none=True, metadata=_EXPIRES_AT)


class _AnyKey(Answer):
    id = Text(required=True, metadata={"description": "Names the key without being secret."})
    account_id = fields.String(
        required=True, allow_none=True, metadata=_ACCOUNT_ID | {"description": "null: a platform key."}
    )
    name = Text(required=True, allow_none=True, metadata=_KEY_NAME)
    created_at = Timestamp(required=True)
    expires_at = Timestamp(required=True, allow_none=True, metadata=_EXPIRES_AT)


class Key(_AnyKey):
    last_used_at = Timestamp(required=True, allow_none=True, metadata={"description": "To the minute."})


class CreatedKey(_AnyKey):
    key = Text(required=True, metadata={"description": "The key itself. Shown only here."})


class AccountPage(Answer):
    items = fields.List(fields.Nested(Account), required=True)
    next = _NEXT


class KeyPage(Answer):
    items = fields.List(fields.Nested(Key), required=True)
    next = _NEXT


class WebhookPage(Answer):
    items = fields.List(fields.Nested(AccountWebhook), required=True)
    next = _NEXT


class PageInput(Parameters):
    limit = WholeNumber(500, 100, "How many items at most.")
    after = Text(
        form=ACCOUNT_ID.pattern,
        most=64,
        load_default=_absent,
        metadata={"description": "Where to go on: `next` of the page before."},
    )


class WebhookPageInput(PageInput):
    status = Choice(WEBHOOK_STATUS, load_default=_absent, metadata={"description": "Only those of this status."})
    failing = FlagText(load_default=_absent, metadata={"description": "Only those that fail, or that do not."})


class NoParameters(Parameters):
    pass


class PayloadFormat(Answer):
    name = Choice(PAYLOAD_FORMAT_NAME, required=True)
    description = fields.String(required=True, metadata={"description": "What it is, and whose."})
    success = Choice(SUCCESS_RULE, required=True)
    examples = fields.Dict(
        keys=Choice(MESSAGE_STATUS),
        values=fields.Dict(),
        required=True,
        metadata={"description": "A body for each status that it can say, by status. Events in others are skipped."},
    )


class PayloadFormatList(Answer):
    items = fields.List(fields.Nested(PayloadFormat), required=True)


class FieldError(Answer):
    field = fields.String(required=True, metadata={"description": "The field's path, or the parameter or header."})
    code = Choice(FIELD_ERROR_CODE, required=True)
    message = fields.String(required=True, metadata={"description": "What is wrong, for people."})


class Problem(Answer):
    type = Choice(PROBLEM_TYPE, required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "What is wrong and what to do, for people."})
    errors = fields.List(fields.Nested(FieldError), metadata={"description": "With 400: everything that is wrong."})
    correlation_id = fields.String(metadata={"description": "With 500: finds the failure in the service's log."})


class Health(Answer):
    status = fields.String(required=True, metadata={"const": "ok"})

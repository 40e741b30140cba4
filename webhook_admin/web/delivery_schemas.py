"""The shapes of deliveries, of the calls that look for them, and of the calls that resend them."""

from dataclasses import asdict
from typing import Any

from marshmallow import fields

from webhook_admin.queue.resend import MAX_RESENT
from webhook_admin.web.enumerations import (
    CHANNEL,
    DELIVERY_ORDER,
    DELIVERY_STATE,
    MESSAGE_STATUS,
    OUTCOME,
    PAYLOAD_FORMAT_NAME,
)
from webhook_admin.web.event_schemas import recipient
from webhook_admin.web.fields import Choice, Choices, Flag, Text, Timestamp, WholeNumber
from webhook_admin.web.records import Answer, Parameters, Record, json_name

_SINCE = {
    "description": "Only what came in at this time or later, to the millisecond.",
    "examples": ["2026-01-31T09:30:00Z"],
}
_UNTIL = {"description": "Only what came in before this time.", "examples": ["2026-02-01T09:30:00Z"]}
_STATES = {"description": "Only those in one of these states."}
_STATUS = {"description": "Only events of this status."}
_CHANNEL = {"description": "Only events of this channel."}
_MESSAGE_ID = {"description": "Only those of this message.", "examples": ["48151623"]}
_ID = "dlv_[0-9a-f]{32}"


def _absent() -> None:
    """The value of a parameter that was not sent; a function, as a plain default would be documented."""


def _message_id(**options: Any) -> Text:
    # A parameter may have a NUL, which PostgreSQL does not take; a body has none.
    return Text(most=128, form=r"[^\x00]*", metadata=_MESSAGE_ID, **options)


def _to(more: str = "", **options: Any) -> Text:
    return recipient(f"Only events to this recipient, in E.164.{more}", "recipient", **options)


class CanonicalEvent(fields.Dict):
    """An event under the names that it was posted with; what it does not have is left out."""

    def _serialize(self, value: Any, *_args: Any, **_options: Any) -> dict[str, Any] | None:
        if value is None:
            return None
        return {json_name(name): each for name, each in asdict(value).items() if each not in (None, {})}


class Delivery(Answer):
    id = Text(required=True, metadata={"description": "The notification's `webhook-id`, the same on every attempt."})
    account_id = Text(required=True)
    message_id = fields.String(
        required=True, metadata={"description": "Empty once the recipient's data has been erased."}
    )
    event_id = Text(required=True)
    channel = Choice(CHANNEL, required=True, allow_none=True)
    status = Choice(MESSAGE_STATUS, required=True, allow_none=True)
    timestamp = Text(
        required=True,
        allow_none=True,
        metadata={"description": "When the message had this status, in the event's digits."},
    )
    state = Choice(DELIVERY_STATE, required=True)
    state_detail = Text(
        required=True,
        allow_none=True,
        metadata={"description": "Why it is in this state, where the state does not say it."},
    )
    callback_url = Text(
        required=True,
        allow_none=True,
        metadata={"description": "Where the latest attempt went; before the first, where it would go. null: nowhere."},
    )
    payload_format = Choice(PAYLOAD_FORMAT_NAME, required=True)
    test = fields.Boolean(required=True, metadata={"description": "Whether the event is made up, to test the webhook."})
    attempt_count = fields.Integer(
        required=True, metadata={"description": "Attempts that have begun, those before a resend included."}
    )
    created_at = Timestamp(required=True)
    next_attempt_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "When it is due next, pauses of the receiver counted in. null: it is not pending."},
    )
    last_outcome = Choice(OUTCOME, required=True, allow_none=True)
    last_status_code = fields.Integer(required=True, allow_none=True)


class Attempt(Answer):
    number = fields.Integer(required=True, metadata={"description": "Counts from 1, on through every resend."})
    started_at = Timestamp(required=True)
    duration_ms = fields.Integer(required=True, allow_none=True)
    outcome = Choice(OUTCOME, required=True)
    status_code = fields.Integer(required=True, allow_none=True)
    detail = Text(
        required=True, allow_none=True, metadata={"description": "What went wrong, in one sentence. null: nothing."}
    )
    hint = Text(required=True, allow_none=True, metadata={"description": "What to do about it, for people."})
    response = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The beginning of the answer's body, at most 2 KiB, as text."},
    )


class DeliveryWithAttempts(Delivery):
    event = CanonicalEvent(
        required=True,
        allow_none=True,
        metadata={
            "description": "The event as it was posted to /events; what it does not have is left out. null: erased."
        },
    )
    attempts = fields.List(fields.Nested(Attempt), required=True, metadata={"description": "In their order."})


class DeliveryPage(Answer):
    items = fields.List(fields.Nested(Delivery), required=True)
    next = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "What to send as `after` for the next page; null on the last."},
    )


class DeliveryPageInput(Parameters):
    state = Choices(DELIVERY_STATE, attribute="states", load_default=tuple, metadata=_STATES)
    status = Choice(MESSAGE_STATUS, load_default=_absent, metadata=_STATUS)
    channel = Choice(CHANNEL, load_default=_absent, metadata=_CHANNEL)
    message_id = _message_id(load_default=_absent)
    to = _to(" In a URL, `+` is written `%2B`.", load_default=_absent)
    since = Timestamp(load_default=_absent, metadata=_SINCE)
    until = Timestamp(load_default=_absent, metadata=_UNTIL)
    order = Choice(DELIVERY_ORDER, load_default="desc")
    limit = WholeNumber(500, 100, "How many items at most.")
    after = Text(
        form=_ID, most=36, load_default=_absent, metadata={"description": "Where to go on: `next` of the page before."}
    )


class ResendInput(Record):
    states = Choices(
        DELIVERY_STATE, metadata={"description": "Only those in one of these states. Left out: FAILED and CANCELLED."}
    )
    since = Timestamp(metadata=_SINCE)
    until = Timestamp(metadata=_UNTIL)
    message_id = _message_id()
    to = _to()
    status = Choice(MESSAGE_STATUS, metadata=_STATUS)
    channel = Choice(CHANNEL, metadata=_CHANNEL)
    dry_run = Flag(metadata={"description": "true: only count, and resend nothing."})


class Resent(Answer):
    matched = fields.Integer(
        required=True, metadata={"description": f"How many fit, up to the {MAX_RESENT:,} of one call."}
    )
    resent = fields.Integer(
        required=True, metadata={"description": "How many of them are pending again; 0 of a dry run."}
    )
    more = fields.Boolean(required=True, metadata={"description": "Whether more fit than one call resends: repeat it."})

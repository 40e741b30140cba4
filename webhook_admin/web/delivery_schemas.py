"""The shapes of deliveries and their attempts."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from marshmallow import fields

from webhook_admin.queue import history
from webhook_admin.web.fields import Text, Timestamp
from webhook_admin.web.records import Answer


class Delivery(Answer):
    id = Text(required=True)
    account_id = Text(required=True)
    message_id = Text(required=True)
    event_id = Text(required=True)
    channel = Text(required=True, allow_none=True)
    status = Text(required=True, allow_none=True, metadata={"description": "The event's."})
    timestamp = Text(required=True, allow_none=True, metadata={"description": "The event's."})
    state = Text(required=True)
    state_detail = Text(required=True, allow_none=True, metadata={"description": "Why it is in that state."})
    callback_url = Text(required=True, allow_none=True, most=2048)
    payload_format = Text(required=True)
    test = fields.Boolean(required=True, metadata={"description": "A test event's: it has one attempt."})
    attempt_count = fields.Integer(required=True)
    created_at = Timestamp(required=True)
    next_attempt_at = Timestamp(required=True, allow_none=True)
    last_outcome = Text(required=True, allow_none=True)
    last_status_code = fields.Integer(required=True, allow_none=True)


class Attempt(Answer):
    number = fields.Integer(required=True)
    started_at = Timestamp(required=True)
    duration_ms = fields.Integer(required=True, allow_none=True)
    outcome = Text(required=True)
    status_code = fields.Integer(required=True, allow_none=True)
    detail = Text(required=True, allow_none=True, metadata={"description": "The fault, in one sentence."})
    hint = Text(required=True, allow_none=True, metadata={"description": "A remedy, for people."})
    response = Text(required=True, allow_none=True, least=0, most=2048)


class _Event(fields.Dict):
    """An event as it was posted: a field that it does not have is left out."""

    def _serialize(self, value: Any, *_args: Any, **_options: Any) -> dict[str, Any] | None:
        values = asdict(value) if value else {}
        return {_json_name(name): value for name, value in values.items() if value not in (None, {})} or None


class DeliveryWithAttempts(Delivery):
    event = _Event(
        required=True, allow_none=True, metadata={"description": "As it was posted; null if it is not readable."}
    )
    attempts = fields.List(fields.Nested(Attempt), required=True)


def with_attempts(delivery: history.Delivery, attempts: Sequence[history.Attempt]) -> dict[str, Any]:
    """The values of `DeliveryWithAttempts`."""
    names = DeliveryWithAttempts().fields.keys() - {"attempts"}
    return {name: getattr(delivery, name) for name in names} | {"attempts": attempts}


def _json_name(name: str) -> str:
    first, *words = name.split("_")
    return first + "".join(map(str.capitalize, words))

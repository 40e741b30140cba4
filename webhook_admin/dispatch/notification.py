"""A notification: one event, as one receiver is to get it."""

from collections.abc import Mapping
from importlib.metadata import version

from webhook_admin import formats
from webhook_admin.dispatch import signing
from webhook_admin.events import Event

_HEADERS = {"Content-Type": "application/json", "User-Agent": f"webhook-admin/{version('webhook-admin')}"}


def destination(event: Event, callback_url: str | None, payload_format: str | None) -> tuple[str, str]:
    """Where the event goes, and in which format: the event's own choice first, then the webhook's, if there is one."""
    return event.callback_url or callback_url or "", event.payload_format or payload_format or formats.DEFAULT


def headers(
    payload_format: str, body: bytes, secret: str | None, delivery_id: str, timestamp: int
) -> Mapping[str, str]:
    """The headers of the request that sends `body`, signed with `secret` at `timestamp` (Unix seconds).

    Without a secret there is no signature.
    """
    signed = signing.headers([secret] if secret else [], delivery_id, timestamp, body)
    own = formats.headers(payload_format, body, signing.key(secret) if secret else None)
    return _HEADERS | signed | own

"""Writing a notification: one event, as one receiver is to get it."""

from importlib.metadata import version

from webhook_admin import formats
from webhook_admin.dispatch import signing
from webhook_admin.events import Event
from webhook_admin.sender.sender import Request

_HEADERS = {"Content-Type": "application/json", "User-Agent": f"webhook-admin/{version('webhook-admin')}"}


def destination(event: Event, callback_url: str | None, payload_format: str | None) -> tuple[str, str]:
    """Where the event goes, and in which format: by its own words first, then by those of the webhook, if any."""
    return event.callback_url or callback_url or "", event.payload_format or payload_format or formats.DEFAULT


def write(
    event: Event, payload_format: str, callback_url: str, secret: str | None, delivery_id: str, timestamp: int
) -> Request | None:
    """The request that notifies `callback_url` of the event, signed with `secret` at `timestamp` (Unix seconds).

    None if the payload format cannot express the event.
    """
    body = formats.render(payload_format, event)
    if body is None:
        return None
    signed = signing.headers([secret] if secret else [], delivery_id, timestamp, body)
    own = formats.headers(payload_format, body, signing.key(secret) if secret else None)
    return Request(callback_url, body, _HEADERS | signed | own, success=formats.success(payload_format))

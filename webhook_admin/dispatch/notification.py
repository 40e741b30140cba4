"""A notification: one event, as one receiver is to get it."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version

from webhook_admin import formats
from webhook_admin.dispatch import signing
from webhook_admin.events import Event

_HEADERS = {"Content-Type": "application/json", "User-Agent": f"webhook-admin/{version('webhook-admin')}"}
_TEST = {"webhook-test": "true"}


def destination(event: Event, callback_url: str | None, payload_format: str | None) -> tuple[str, str]:
    """Where the event goes, and in which format: the event's own choice first, then the webhook's, if there is one."""
    return event.callback_url or callback_url or "", event.payload_format or payload_format or formats.DEFAULT


def headers(
    payload_format: str, body: bytes, secrets: Sequence[str], delivery_id: str, timestamp: int, *, test: bool = False
) -> Mapping[str, str]:
    """The headers of the request that sends `body`, signed at `timestamp` (Unix seconds).

    One signature for each of `secrets`, the newest first; without a secret, none. A format's own signature is made with
    the newest.
    """
    signed = signing.headers(secrets, delivery_id, timestamp, body)
    own = formats.headers(payload_format, body, signing.key(secrets[0]) if secrets else None)
    return _HEADERS | signed | own | (_TEST if test else {})

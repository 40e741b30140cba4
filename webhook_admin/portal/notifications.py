"""The request of a delivery, to the byte, signed as if it were made at this moment."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from webhook_admin import formats, signing_secrets
from webhook_admin.dispatch import notification
from webhook_admin.errors import WebhookNotFound
from webhook_admin.queue.history import Delivery
from webhook_admin.web.context import connection, now, parts


@dataclass(frozen=True, slots=True)
class Notification:
    """A POST."""

    url: str
    headers: Mapping[str, str]
    body: str

    @property
    def curl(self) -> str:
        """The command that sends it."""
        headers = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in self.headers.items()]
        lines = [f"curl -X POST {shlex.quote(self.url)}", *headers, f"--data-binary {_quoted(self.body)}"]
        return " \\\n  ".join(lines)


def _quoted(text: str) -> str:
    """One word of a shell; with characters that a screen obeys written as escapes, which bash and zsh know."""
    if text.isprintable():
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(sign if sign.isprintable() else _bytes(sign) for sign in escaped) + "'"


def _bytes(sign: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in sign.encode())


def of(delivery: Delivery, kept_body: str | None) -> Notification | None:
    """What each attempt of the delivery sends; None if there is no such request.

    The body is the one that is kept, or else is rendered: the same event gives the same bytes.
    """
    if delivery.event is None or delivery.callback_url is None:
        return None
    rendered = formats.render(delivery.payload_format, delivery.event) if kept_body is None else kept_body.encode()
    if rendered is None:
        return None
    own = (delivery.account_id, delivery.callback_url, delivery.payload_format)
    return signed(*own, rendered, delivery.id, test=delivery.test)


def signed(
    account_id: str, url: str, payload_format: str, body: bytes, delivery_id: str, *, test: bool
) -> Notification:
    """The request that sends the body, signed with what is valid of the account's webhook."""
    secrets, timestamp = _secrets(account_id), int(now().timestamp())
    headers = notification.headers(payload_format, body, secrets, delivery_id, timestamp, test=test)
    return Notification(url, headers, body.decode())


def _secrets(account_id: str) -> Sequence[str]:
    try:
        return signing_secrets.get(connection(), parts().cipher, account_id).valid(now())
    except WebhookNotFound:
        return []

"""The payload formats that a webhook may choose from: one module each, and this table.

A format is pure: the same event gives the same bytes. Its module's docstring describes it for people. A format whose
owner signs in a way of his own also has `headers(body, key)`: what it adds to the request, by the body's bytes and the
bytes of the signing secret.
"""

import json
from typing import Any, Protocol

from webhook_admin.events import Event, Status
from webhook_admin.formats import insider, mta_v1, phonovation_v2, routee, samples, standard
from webhook_admin.formats.schemas import Schema
from webhook_admin.formats.success import Success


class Format(Protocol):
    """What the module of a payload format has."""

    @property
    def SUCCESS(self) -> Success:  # noqa: N802 - a constant of the module
        """The HTTP statuses by which a receiver acknowledges."""

    @property
    def SCHEMA(self) -> Schema:  # noqa: N802 - a constant of the module
        """The JSON Schema of a body."""

    def body(self, event: Event) -> dict[str, Any] | None:
        """What the receiver gets, ready for JSON; `None` if the format cannot express the event."""


FORMATS: dict[str, Format] = {
    "standard": standard,
    "phonovation-v2": phonovation_v2,
    "routee": routee,
    "insider": insider,
    "mta-v1": mta_v1,
}
DEFAULT = "standard"

_compact = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def render(name: str, event: Event) -> bytes | None:
    """The request body that says the event: compact JSON in UTF-8. `None`: the format cannot, see `skip_reason`."""
    body = FORMATS[name].body(event)
    return None if body is None else _compact.encode(body).encode()


def skip_reason(name: str, event: Event) -> str:
    """Why there is no body, in one sentence."""
    reason = f" with the reason {event.reason}" if event.reason else ""
    return f"The payload format {name} cannot express {event.status}{reason}."


def headers(name: str, body: bytes, key: bytes | None) -> dict[str, str]:
    """The headers that the format itself adds to a request. `key` is the bytes of the signing secret, where one is."""
    sign = getattr(FORMATS[name], "headers", None)
    return sign(body, key) if sign and key is not None else {}


def success(name: str) -> Success:
    """The HTTP statuses that acknowledge a notification; as text the rule for documents, `2xx` or `200`."""
    return FORMATS[name].SUCCESS


def description(name: str) -> str:
    """What the format is, in a sentence or two."""
    return (FORMATS[name].__doc__ or "").partition("\n")[0]


def examples(name: str) -> dict[str, dict[str, Any]]:
    """A body for each status that the format can say, by status: one message's, so that formats can be compared."""
    said = {status: _example(name, status) for status in Status}
    return {status.value: body for status, body in said.items() if body is not None}


def _example(name: str, status: Status) -> dict[str, Any] | None:
    bodies = (FORMATS[name].body(event) for event in samples.of(status))
    return next((body for body in bodies if body is not None), None)

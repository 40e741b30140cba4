"""Which deliveries are asked for: the fields of the form, and the filter that they make."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from webhook_admin import accounts
from webhook_admin.portal import session
from webhook_admin.queue.selection import Filter
from webhook_admin.web.context import connection
from webhook_admin.web.delivery_schemas import DeliveryPageInput

_schema = DeliveryPageInput()
_TEXTS = ("status", "channel", "messageId", "to", "since", "until", "after")
# What a field for date and time gives, in UTC: the script gives another form, with its zone.
_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields as they were given, and either the filter that they make or a sentence for each that is wrong."""

    given: dict[str, Any]
    wanted: Filter
    after: str | None
    faults: Mapping[str, str]

    @property
    def is_everything(self) -> bool:
        """Whether no field limits what is asked for."""
        return not self.given.keys() - {"after"}

    @property
    def filter_fields(self) -> dict[str, Any]:
        """The fields without the place in the list."""
        return {name: value for name, value in self.given.items() if name != "after"}

    def moment(self, name: str) -> str:
        """The time in a field, as a field for date and time has it: in UTC, to the second."""
        moment = getattr(self.wanted, name)
        return f"{moment:%Y-%m-%dT%H:%M:%S}" if moment else ""


def asked(values: MultiDict[str, str]) -> Asked:
    """What these fields ask for, of the account that is looked at. Empty fields count as left out."""
    given: dict[str, Any] = {name: text for name in _TEXTS if (text := values.get(name, "").strip())}
    if states := [state for state in values.getlist("state") if state]:
        given["state"] = states
    account = accounts.get(connection(), session.account_id())
    own: dict[str, Any] = {"account_id": account.id, "account_created_at": account.created_at}
    try:
        loaded = _schema.load({name: _with_zone(value) for name, value in given.items()})
    except ValidationError as error:
        messages: dict[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]
        faults = {name: _first(below) for name, below in messages.items()}
        return Asked(given, Filter(**own), None, faults)
    after = loaded.pop("after")
    for name in ("limit", "order"):
        del loaded[name]
    return Asked(given, Filter(**own, **loaded), after, {})


def _with_zone(value: Any) -> Any:
    if not isinstance(value, str) or not (match := _WITHOUT_ZONE.fullmatch(value)):
        return value
    return f"{value}Z" if match[1] else f"{value}:00Z"


def _first(messages: Any) -> str:
    """The first sentence of what a field, or an item of it, is wrong by."""
    if isinstance(messages, Mapping):
        return _first(next(iter(messages.values())))
    return str(messages[0].message)

"""One line for a pager: the message's id, and whether it has arrived."""

from typing import Any

from webhook_admin.events import Event, Status
from webhook_admin.formats import rows
from webhook_admin.formats.schemas import TEXT, Schema, record
from webhook_admin.formats.success import ONLY_200

SUCCESS = ONLY_200
ROWS: rows.Rows[bool] = {
    (Status.DELIVERED, None): True,
    (Status.UNDELIVERED, None): False,
    (Status.FAILED, None): False,
}
SCHEMA: Schema = record({"message": TEXT, "arrived": {"type": "boolean"}})


def body(event: Event) -> dict[str, Any] | None:
    arrived = rows.find(ROWS, event)
    return None if arrived is None else {"message": event.message_id, "arrived": arrived}

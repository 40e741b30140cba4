"""/portal/deliveries.csv: what is filtered, for spreadsheets."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

from flask import Blueprint, Response, current_app, request, stream_with_context
from werkzeug.exceptions import BadRequest

from webhook_admin.portal.filters import asked
from webhook_admin.queue import history
from webhook_admin.queue.history import Delivery
from webhook_admin.queue.selection import Filter
from webhook_admin.web.context import connection

blueprint = Blueprint("export", __name__)
# The server hands an answer over in one piece: this is about 3 MB.
MAX_ROWS = 10_000
_PER_PAGE = 500
_COLUMNS = (
    *("id", "created_at", "message_id", "channel", "status", "timestamp", "to", "state", "state_detail"),
    *("attempt_count", "last_outcome", "last_status_code", "next_attempt_at", "callback_url", "payload_format", "test"),
)
# Spreadsheets take what begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@blueprint.get("/deliveries.csv")
def page() -> Response:
    asks = asked(request.args)
    if asks.faults:
        raise BadRequest("The filter has a mistake: " + " ".join(asks.faults.values()))
    response = current_app.response_class(stream_with_context(_lines(asks.wanted)), mimetype="text/csv")
    response.headers["Content-Disposition"] = "attachment; filename=deliveries.csv"
    return response


def _lines(wanted: Filter) -> Iterator[str]:
    yield _line(_COLUMNS)
    after = None
    for _ in range(MAX_ROWS // _PER_PAGE):
        found = history.list_deliveries(connection(), wanted, after, _PER_PAGE)
        yield "".join(_line([_cell(delivery, name) for name in _COLUMNS]) for delivery in found.items)
        after = found.next
        if after is None:
            return


def _line(cells: Any) -> str:
    line = StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _cell(delivery: Delivery, name: str) -> str:
    value: Any = (delivery.event and delivery.event.to) if name == "to" else getattr(delivery, name)
    if value is None:
        return ""
    text = value.isoformat(timespec="milliseconds").replace("+00:00", "Z") if name.endswith("_at") else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text

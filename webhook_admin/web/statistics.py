"""/webhooks/delivery-status/statistics: what became of an account's deliveries, by hour."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask.views import MethodView
from marshmallow import fields

from webhook_admin.queue import statistics
from webhook_admin.queue.clock import HOUR, milliseconds, moment
from webhook_admin.queue.statistics import MAX_HOURS, MAX_PENDING, Counts, Kind
from webhook_admin.web.auth import account_id
from webhook_admin.web.blueprint import Blueprint
from webhook_admin.web.context import connection, now
from webhook_admin.web.delivery_status import PATH
from webhook_admin.web.fields import Timestamp, WholeNumber
from webhook_admin.web.openapi import ACCOUNT, PARAMETERS, X_ACCOUNT_ID, operation
from webhook_admin.web.records import Answer, Parameters

blueprint = Blueprint("statistics", __name__, description="Statistics.")
_PERCENTILE = {"description": "Milliseconds, right to within 10 %; null if nothing was delivered."}


def _count(description: str) -> fields.Integer:
    return fields.Integer(required=True, metadata={"description": description})


class StatisticsInput(Parameters):
    hours = WholeNumber(MAX_HOURS, 24, "How many hours, with the one that is still running.")


class Percentiles(Answer):
    p50 = fields.Integer(required=True, allow_none=True, metadata=_PERCENTILE)
    p95 = fields.Integer(required=True, allow_none=True, metadata=_PERCENTILE)
    p99 = fields.Integer(required=True, allow_none=True, metadata=_PERCENTILE)


class HourOfStatistics(Answer):
    from_ = Timestamp(required=True, metadata={"description": "When the hour began."})
    delivered = _count("Deliveries that ended DELIVERED.")
    failed = _count("Deliveries that ended FAILED.")
    attempts = _count("Attempts.")
    acknowledged_after_ms = fields.Nested(Percentiles, required=True)


class Statistics(Answer):
    from_ = Timestamp(required=True, metadata={"description": "When the first of the hours began."})
    to = Timestamp(required=True, metadata={"description": "The time of the answer."})
    delivered = _count("Deliveries that ended DELIVERED.")
    failed = _count("Deliveries that ended FAILED.")
    cancelled = _count("Deliveries that ended CANCELLED.")
    skipped = _count("Deliveries that ended SKIPPED.")
    attempts = _count("Attempts.")
    outcomes = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"description": "Attempts by outcome."},
    )
    acknowledged_after_ms = fields.Nested(
        Percentiles,
        required=True,
        metadata={"description": "From acceptance to acknowledgement; of a resent delivery, from the resend."},
    )
    pending = _count(f"Deliveries that wait at the moment; {MAX_PENDING}: as many or more.")
    oldest_pending_since = Timestamp(
        required=True, allow_none=True, metadata={"description": "Since when the oldest of them waits."}
    )
    paused_until = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "Until when nothing is sent to the webhook, since its receiver keeps failing."},
    )
    hours = fields.List(fields.Nested(HourOfStatistics), required=True)


@blueprint.route(f"{PATH}/statistics")
class DeliveryStatistics(MethodView):
    @blueprint.arguments(StatisticsInput, location="query")
    @blueprint.response(200, Statistics)
    @operation("getDeliveryStatistics", *ACCOUNT, *PARAMETERS, parameters=[X_ACCOUNT_ID])
    def get(self, parameters: dict[str, Any]) -> Any:
        """Get statistics

        What became of the account's deliveries in the last hours, the one that is still running included. Counts are
        a few seconds behind; a dispatcher that is killed loses those of its last seconds. Test events count nowhere.
        """
        current = milliseconds(now()) // HOUR
        hours = range(current - parameters["hours"] + 1, current + 1)
        by_hour = statistics.by_hour(connection(), account_id(), hours)
        waiting = statistics.waiting(connection(), account_id(), milliseconds(now()))
        since, paused_until = waiting.oldest_pending_since, waiting.paused_until
        return _counts(hours[0], statistics.total(by_hour)) | {
            "to": now(),
            "pending": waiting.pending,
            "oldest_pending_since": None if since is None else moment(since),
            "paused_until": None if paused_until is None else moment(paused_until),
            "hours": list(_hours(by_hour)),
        }


def _hours(by_hour: Mapping[int, Counts]) -> Iterator[dict[str, Any]]:
    for hour, counts in by_hour.items():
        yield _counts(hour, counts)


def _counts(hour: int, counts: Counts) -> dict[str, Any]:
    """The fields that one hour and all hours have, and some that only all have."""
    return {kind.name.lower(): counts[kind] for kind in Kind} | {
        "from_": moment(hour * HOUR),
        "outcomes": counts.outcomes,
        "acknowledged_after_ms": counts.acknowledged_after_ms,
    }

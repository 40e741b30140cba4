"""Calls of POST /events, and what they leave on record."""

from typing import Any

from sqlalchemy import select

from tests.api import Answer, Api
from webhook_admin.db import Database
from webhook_admin.events import Event
from webhook_admin.models import deliveries

ABSENT = object()
EVENT = {
    "accountId": "acme",
    "messageId": "m-1",
    "channel": "SMS",
    "status": "DELIVERED",
    "timestamp": "2026-04-09T14:39:40.69257Z",
}


def event(**changes: Any) -> dict[str, Any]:
    """An event with these fields; one that is `ABSENT` is left out."""
    return {name: value for name, value in (EVENT | changes).items() if value is not ABSENT}


def post(api: Api, *events: Any) -> Answer:
    """A call with the events."""
    return api("POST", "/events", json={"events": list(events)})


def counts(response: Answer) -> tuple[int, int, int]:
    """How many were accepted, duplicates, unrouted."""
    assert response.status_code == 202, response.text
    return response.json["accepted"], response.json["duplicates"], response.json["unrouted"]


def faults(response: Answer) -> list[tuple[str, str]]:
    """What a 400 says is wrong: fields and codes."""
    assert response.status_code == 400, response.text
    assert all(error["message"] for error in response.json["errors"])
    return [(error["field"], error["code"]) for error in response.json["errors"]]


def stored(database: Database) -> list[Event]:
    """The events on record, in the order of their ids."""
    with database.connect() as connection:
        rows = connection.execute(select(deliveries.c.event).order_by(deliveries.c.event_id)).scalars()
        return [Event.from_json(row) for row in rows]

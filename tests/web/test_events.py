"""POST /events: what the platform says has become of messages (contract, section 1)."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.api import URL_1, URL_2, WEBHOOK, Api
from tests.web.event_calls import counts, event, faults, post, stored
from webhook_admin.db import Database
from webhook_admin.events import Event
from webhook_admin.models import lanes
from webhook_admin.queue.group_commit import GroupCommit

LIMIT = 4 * 1024 * 1024
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _webhook(customer: Api) -> None:
    """The account `acme` has a webhook."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})


# What is accepted


def test_an_event_is_on_record_after_202(platform: Api, database: Database) -> None:
    """After the answer the event waits for delivery, with every field as it was given."""
    given = event(
        id="evt-1",
        status="UNDELIVERED",
        reason="UNREACHABLE",
        error={"code": 27, "message": "Absent subscriber"},
        to="+353861234567",
        customerMessageId="order-001",
        tags={"shop": "Dún Laoghaire", "empty": ""},
        callbackUrl=URL_2,
        payloadFormat="mta-v1",
        details={"parts": 2, "price": 0.0331, "groups": ["a", "b"], "message": "x" * 4096},
        **{"from": "Acme"},
    )
    assert counts(post(platform, given)) == (1, 0, 0)
    assert stored(database) == [
        Event(
            id="evt-1",
            account_id="acme",
            message_id="m-1",
            channel="SMS",
            status="UNDELIVERED",
            timestamp="2026-04-09T14:39:40.69257Z",
            reason="UNREACHABLE",
            error={"code": 27, "message": "Absent subscriber"},
            to="+353861234567",
            from_="Acme",
            customer_message_id="order-001",
            tags={"shop": "Dún Laoghaire", "empty": ""},
            callback_url=URL_2,
            payload_format="mta-v1",
            details={"parts": 2, "price": 0.0331, "groups": ["a", "b"], "message": "x" * 4096},
        )
    ]
    with database.connect() as connection:
        assert connection.execute(select(lanes.c.account_id)).scalars().all() == ["acme"]


def test_an_event_without_an_id_gets_one(platform: Api, database: Database) -> None:
    """Events without an id are each given one of ours, also where they are the same."""
    assert counts(post(platform, event(), event())) == (2, 0, 0)
    ids = {each.id for each in stored(database)}
    assert len(ids) == 2
    assert all(id_.startswith("evt_") for id_ in ids)


def test_an_event_with_nowhere_to_go_is_counted(platform: Api, customer: Api, database: Database) -> None:
    """Without a webhook and a callback URL of its own, an event is unrouted: counted, and no error."""
    customer("DELETE", WEBHOOK)
    assert counts(post(platform, event(), event(callbackUrl=URL_2), event())) == (1, 0, 2)
    assert [each.callback_url for each in stored(database)] == [URL_2]


def test_events_of_many_accounts(platform: Api, make_customer: Callable[[str], Api], database: Database) -> None:
    """A batch may mix accounts, and the same id means another event in each."""
    make_customer("other")
    ours, theirs = event(id="1"), event(id="1", accountId="other", callbackUrl=URL_2)
    assert counts(post(platform, ours, theirs)) == (2, 0, 0)
    assert sorted(each.account_id for each in stored(database)) == ["acme", "other"]


def test_a_thousand_at_once(platform: Api, database: Database) -> None:
    """A batch may have 1,000 events."""
    assert counts(post(platform, *(event(id=f"{number:04}") for number in range(1_000)))) == (1_000, 0, 0)
    assert [each.id for each in stored(database)] == [f"{number:04}" for number in range(1_000)]


# Sent again


def test_an_event_sent_again_is_a_duplicate(platform: Api, database: Database) -> None:
    """The same content under the same id is counted and stored once, in one call and over several."""
    assert counts(post(platform, event(id="1"), event(id="1"))) == (1, 1, 0)
    assert counts(post(platform, event(id="1"), event(id="2"))) == (1, 1, 0)
    assert [each.id for each in stored(database)] == ["1", "2"]


@pytest.mark.parametrize("together", [True, False])
def test_other_content_under_an_id_is_409(platform: Api, database: Database, together: bool) -> None:
    """It is named, and nothing of the call is stored, whether the other came before or in the same call."""
    first, other, good = event(id="one"), event(id="one", status="READ"), event(id="good")
    if not together:
        post(platform, first)
    response = post(platform, good, first, other)
    assert (response.status_code, response.json["type"]) == (409, "urn:webhook-admin:event-conflict")
    assert "The event one of account acme" in response.json["detail"]
    assert [(each.id, each.status) for each in stored(database)] == ([] if together else [("one", "DELIVERED")])


def test_the_same_batch_many_times_at_once(platform: Api, app: Flask, database: Database) -> None:
    """However many send the same batch at the same time, each event is accepted once."""
    batch = [event(id=f"{number:03}") for number in range(200)]

    def call(_: int) -> tuple[int, int, int]:
        return counts(post(Api(app.test_client(), platform.key), *batch))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(8)))
    assert [sum(column) for column in zip(*answers, strict=True)] == [200, 1_400, 0]
    assert len(stored(database)) == 200


def test_batches_that_overlap_at_once(platform: Api, app: Flask, database: Database) -> None:
    """Batches that have the same events in opposite orders do not deadlock."""
    together = Barrier(2)

    def call(batch: list[dict[str, Any]]) -> int:
        together.wait(10)
        return counts(post(Api(app.test_client(), platform.key), *batch))[0]

    with ThreadPoolExecutor(2) as pool:
        for round_ in range(5):
            batch = [event(id=f"{round_}-{number:03}") for number in range(500)]
            assert sum(pool.map(call, [batch, batch[::-1]])) == 500


# All or nothing


@pytest.mark.parametrize("place", [0, 499, 999])
def test_one_bad_event_stores_nothing(platform: Api, database: Database, place: int) -> None:
    """Of a batch with one bad event, whichever, none is stored; the event is named by its index."""
    batch = [event(id=str(number)) for number in range(1_000)]
    batch[place]["status"] = "LOST"
    assert faults(post(platform, *batch)) == [(f"events.{place}.status", "unknown_value")]
    assert stored(database) == []


def test_unknown_accounts_are_named(platform: Api, database: Database) -> None:
    """Each event of an account that does not exist is named, and nothing is stored."""
    batch = [event(), event(accountId="nobody"), event(), event(accountId="none")]
    codes = [("events.1.accountId", "unknown_account"), ("events.3.accountId", "unknown_account")]
    assert faults(post(platform, *batch)) == codes
    assert stored(database) == []


@pytest.fixture
def impatient(app: Flask, database: Database) -> Iterator[None]:
    """The service waits for locks for a tenth of a second only."""
    parts = app.extensions["webhook_admin"]
    impatient = Database(database.url, lock_seconds=0.1)
    app.extensions["webhook_admin"] = replace(parts, database=impatient, group_commit=GroupCommit(impatient))
    yield
    impatient.close()
    app.extensions["webhook_admin"] = parts


def test_a_store_that_is_locked_is_503(impatient: None, platform: Api, database: Database) -> None:
    """While the store cannot take the events: 503 with Retry-After, nothing half-stored; afterwards they are taken."""
    with database.transaction() as connection:
        # The last of the tables that events go to, so that all else has been written before.
        connection.exec_driver_sql("DELETE FROM lanes" if database.file else "LOCK TABLE lanes")
        response = post(platform, event(id="1"), event(id="2"))
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert stored(database) == []
    assert counts(post(platform, event(id="1"), event(id="2"))) == (2, 0, 0)

"""/deliveries, over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api import URL_1, URL_2, WEBHOOK, Api
from tests.engine import OWN_URL, Queue, event
from webhook_admin.models import deliveries as table

FIELDS = [
    "id",
    "accountId",
    "messageId",
    "eventId",
    "channel",
    "status",
    "timestamp",
    "state",
    "stateDetail",
    "callbackUrl",
    "payloadFormat",
    "test",
    "attemptCount",
    "createdAt",
    "nextAttemptAt",
    "lastOutcome",
    "lastStatusCode",
]


@pytest.fixture
def acme(customer: Api, queue: Queue) -> Api:
    """Calls with a key of `acme`, which has three deliveries to its webhook: two have failed, the third is pending."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    queue.accept(event(1, status="SENT"), event(2, status="READ", channel="RCS", to="+353861234567"), event(3))
    failed(queue, 1, 2)
    return customer


def failed(queue: Queue, *numbers: int) -> None:
    """Let the deliveries of these events fail."""
    with queue.database.transaction() as transaction:
        for number in numbers:
            chosen = table.update().where(table.c.id == queue.delivery(number).id)
            transaction.execute(chosen.values(state="FAILED", due_at=None, attempts=1, recorded=1))


def events(api: Api, query: str = "", **options: Any) -> list[str]:
    """The events of the deliveries that a list has."""
    return [item["eventId"] for item in api("GET", f"/deliveries{query}", **options).json["items"]]


def test_the_newest_come_first(acme: Api) -> None:
    """With all fields of the contract; `order=asc` turns the list round."""
    page = acme("GET", "/deliveries").json
    assert page["next"] is None
    assert [list(item) for item in page["items"]] == [FIELDS] * 3
    newest_first = [item["id"] for item in page["items"]]
    assert newest_first == sorted(newest_first, reverse=True)
    assert [item["id"] for item in acme("GET", "/deliveries?order=asc").json["items"]] == newest_first[::-1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?state=FAILED", ["evt_1", "evt_2"]),
        ("?state=FAILED&state=PENDING", ["evt_1", "evt_2", "evt_3"]),
        ("?state=FAILED&status=READ", ["evt_2"]),
        ("?channel=RCS", ["evt_2"]),
        ("?messageId=msg_3", ["evt_3"]),
        ("?messageId=msg_3&state=FAILED", []),
        ("?to=%2B353861234567", ["evt_2"]),
        ("?to=%2B353861234567&state=FAILED", ["evt_2"]),
        ("?to=%2B353861234567&messageId=msg_3", []),
        ("?to=%2B353861111111", []),
        ("?since=2026-01-01T00:00:00Z", ["evt_1", "evt_2", "evt_3"]),
        ("?until=2026-01-01T00:00:00%2B02:00", []),
    ],
)
def test_filters(acme: Api, query: str, expected: list[str]) -> None:
    """By state, which may be repeated, by status, channel, message, recipient and time."""
    assert sorted(events(acme, query)) == expected


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("wanted", ["", "&state=FAILED&state=PENDING&channel=SMS&channel"])
def test_pages(acme: Api, order: str, wanted: str) -> None:
    """One after the other, each delivery comes once."""
    wanted = wanted.removesuffix("&channel")
    whole = events(acme, f"?order={order}{wanted}")
    seen: list[str] = []
    after = ""
    while after is not None:
        page = acme("GET", f"/deliveries?order={order}{wanted}&limit=1{after and f'&after={after}'}").json
        seen += [item["eventId"] for item in page["items"]]
        after = page["next"]
    assert seen == whole


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("?state=LOST", "state.0", "unknown_value"),
        ("?status=SENT&status=READ", "status", "repeated"),
        ("?order=up", "order", "unknown_value"),
        ("?messageId=%00", "messageId", "malformed"),
        ("?messageId=", "messageId", "empty"),
        ("?to=+353861234567", "to", "malformed"),
        ("?after=evt_1", "after", "malformed"),
        ("?since=yesterday", "since", "invalid"),
        ("?limit=501", "limit", "invalid"),
        ("?" + "&".join(["state=FAILED"] * 51), "state", "too_many"),
    ],
)
def test_a_wrong_parameter_is_named(acme: Api, query: str, field: str, code: str) -> None:
    """With 400, and what is wrong."""
    refused = acme("GET", f"/deliveries{query}")
    assert refused.status_code == 400
    assert [(error["field"], error["code"]) for error in refused.json["errors"]] == [(field, code)]


def test_one_has_its_event_and_its_attempts(acme: Api, queue: Queue) -> None:
    """The event as it was posted, without what it does not have."""
    delivery = acme("GET", f"/deliveries/{queue.delivery(2).id}").json
    assert list(delivery) == [*FIELDS, "event", "attempts"]
    assert delivery["event"] == {
        "id": "evt_2",
        "accountId": "acme",
        "messageId": "msg_2",
        "channel": "RCS",
        "status": "READ",
        "to": "+353861234567",
        "timestamp": "2026-04-09T14:39:40.69257Z",
    }
    assert delivery["attempts"] == []


def test_resending_one(acme: Api, queue: Queue) -> None:
    """202, and the delivery as it is then: pending, and to the URL of today."""
    acme("PUT", WEBHOOK, json={"callbackUrl": URL_2})
    done = acme("POST", f"/deliveries/{queue.delivery(1).id}/resend")
    assert done.status_code == 202
    assert list(done.json) == FIELDS
    assert (done.json["state"], done.json["callbackUrl"], done.json["attemptCount"]) == ("PENDING", URL_2, 1)
    assert done.json == {
        name: value
        for name, value in acme("GET", f"/deliveries/{queue.delivery(1).id}").json.items()
        if name not in ("event", "attempts")
    }


def test_resending_all(acme: Api, queue: Queue) -> None:
    """A dry run counts what the call would resend, and changes nothing."""
    dry = acme("POST", "/deliveries/resend", json={"dryRun": True})
    assert (dry.status_code, dry.json) == (200, {"matched": 2, "resent": 0, "more": False})
    assert queue.states() == {"FAILED": 2, "PENDING": 1}
    done = acme("POST", "/deliveries/resend", json={"dryRun": False})
    assert (done.status_code, done.json) == (202, {"matched": 2, "resent": 2, "more": False})
    assert queue.states() == {"PENDING": 3}
    assert acme("POST", "/deliveries/resend").json == {"matched": 0, "resent": 0, "more": False}


@pytest.mark.parametrize(
    ("body", "matched"),
    [
        ({"status": "READ"}, 1),
        ({"channel": "SMS", "states": ["FAILED", "CANCELLED"]}, 1),
        ({"messageId": "msg_1"}, 1),
        ({"states": ["DELIVERED"]}, 0),
        ({"since": "2026-01-01T00:00:00Z"}, 2),
        ({"until": "2026-01-01T00:00:00Z"}, 0),
    ],
)
def test_resending_those_that_fit(acme: Api, body: dict[str, Any], matched: int) -> None:
    """The filters are those of the list, and both kinds of run agree."""
    assert acme("POST", "/deliveries/resend", json={**body, "dryRun": True}).json["matched"] == matched
    assert acme("POST", "/deliveries/resend", json=body).json["resent"] == matched


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"states": []}, "states"),
        ({"states": "FAILED"}, "states"),
        ({"states": ["LOST"]}, "states.0"),
        ({"states": None}, "states"),
        ({"dryRun": "yes"}, "dryRun"),
        ({"dryRun": 1}, "dryRun"),
        ({"order": "asc"}, "order"),
    ],
)
def test_a_wrong_field_is_named(acme: Api, queue: Queue, body: dict[str, Any], field: str) -> None:
    """With 400; nothing is resent."""
    refused = acme("POST", "/deliveries/resend", json=body)
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (400, field)
    assert queue.states() == {"FAILED": 2, "PENDING": 1}


def test_another_accounts_deliveries_are_not_there(
    acme: Api, platform: Api, make_customer: Callable[[str], Api], queue: Queue
) -> None:
    """404 on every path, with its own key and with a platform key that names it; and none in its lists."""
    globex = make_customer("globex")
    globex("POST", WEBHOOK, json={"callbackUrl": URL_2})
    id_ = queue.delivery(1).id
    for api in (globex, Api(platform.client, platform.key, "globex")):
        for method, path in (("GET", f"/deliveries/{id_}"), ("POST", f"/deliveries/{id_}/resend")):
            refused = api(method, path)
            assert (refused.status_code, refused.json["type"]) == (404, "urn:webhook-admin:delivery-not-found")
        for query in ("", "?messageId=msg_1", "?state=FAILED", f"?order=asc&after={id_[:-1]}0"):
            assert events(api, query) == []
        assert api("POST", "/deliveries/resend", json={"messageId": "msg_1"}).json["matched"] == 0
    assert queue.states() == {"FAILED": 2, "PENDING": 1}
    assert events(Api(platform.client, platform.key, "acme"), "?state=FAILED", headers={"X-Account-Id": "acme"})


def test_a_new_account_of_an_old_id_does_not_see_what_was_before(
    acme: Api, platform: Api, make_customer: Callable[[str], Api], queue: Queue
) -> None:
    """Neither in lists nor by its id, and it is not resent."""
    id_ = queue.delivery(1).id
    platform("DELETE", "/accounts/acme")
    successor = make_customer("acme")
    successor("POST", WEBHOOK, json={"callbackUrl": URL_2})
    assert events(successor) == events(successor, "?state=FAILED") == events(successor, "?messageId=msg_1") == []
    assert successor("GET", f"/deliveries/{id_}").status_code == 404
    assert successor("POST", f"/deliveries/{id_}/resend").status_code == 404
    assert successor("POST", "/deliveries/resend", json={"dryRun": True}).json["matched"] == 0
    queue.accept(event(1))
    assert events(successor) == ["evt_1"]


@pytest.mark.parametrize("id_", ["dlv_1", "dlv_" + "0" * 32, "%00", "resend1", "%F0%9F%98%80"])
def test_an_id_that_is_nobodys(acme: Api, id_: str) -> None:
    """404, whatever the text."""
    assert acme("GET", f"/deliveries/{id_}").status_code == 404
    assert acme("POST", f"/deliveries/{id_}/resend").status_code == 404


def test_resend_is_no_id(acme: Api) -> None:
    """GET /deliveries/resend is 405, and Allow names what the path takes."""
    refused = acme("GET", "/deliveries/resend")
    assert refused.status_code == 405
    assert set(refused.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_nothing_to_send_to(acme: Api, queue: Queue) -> None:
    """409 after the webhook was deleted, but for messages with URLs of their own."""
    acme("DELETE", WEBHOOK)
    for path in (f"/deliveries/{queue.delivery(1).id}/resend", "/deliveries/resend"):
        refused = acme("POST", path)
        assert (refused.status_code, refused.json["type"]) == (409, "urn:webhook-admin:nothing-to-send-to")
    queue.accept(event(4, callback_url=OWN_URL))
    failed(queue, 4)
    assert acme("POST", "/deliveries/resend").json == {"matched": 1, "resent": 1, "more": False}
    assert acme("POST", f"/deliveries/{queue.delivery(4).id}/resend").json["callbackUrl"] == OWN_URL


def test_resending_to_a_recipient(acme: Api, queue: Queue) -> None:
    """With the filters of the list; what fits one of two is left alone."""
    for wanted, matched in (
        ({"to": "+353861234567"}, 1),
        ({"to": "+353861234567", "messageId": "msg_2"}, 1),
        ({"to": "+353861234567", "messageId": "msg_1"}, 0),
    ):
        done = acme("POST", "/deliveries/resend", json={**wanted, "dryRun": True})
        assert (done.status_code, done.json["matched"]) == (200, matched)

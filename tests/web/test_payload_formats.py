"""GET /payload-formats: what a webhook may choose from, and what a registration makes of it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.api import URL_1, WEBHOOK, Api
from webhook_admin import formats
from webhook_admin.events import Status
from webhook_admin.formats import FORMATS

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def listed(customer: Api) -> dict[str, dict[str, Any]]:
    """What the list has, by name."""
    answer = customer("GET", "/payload-formats").json
    assert list(answer) == ["items"]
    return {item["name"]: item for item in answer["items"]}


def test_lists_all(listed: dict[str, dict[str, Any]]) -> None:
    """Each payload format is there once, in the order of the table, and says what it is."""
    assert list(listed) == ["standard", "phonovation-v2", "routee", "insider", "mta-v1"] == list(FORMATS)
    for name, item in listed.items():
        assert item["description"] == formats.description(name)
        assert list(item) == ["name", "description", "success", "examples"]


def test_says_which_answer_acknowledges(listed: dict[str, dict[str, Any]]) -> None:
    """2xx, or exactly 200 where the format's owner says so."""
    success = {name: item["success"] for name, item in listed.items()}
    assert success == dict.fromkeys(FORMATS, "200") | {"standard": "2xx"}


def test_shows_an_example_for_each_status_that_it_can_say(listed: dict[str, dict[str, Any]]) -> None:
    """By status, as the bodies are written; what a format cannot say is not there."""
    unsaid = {name: [status for status in Status if status not in listed[name]["examples"]] for name in FORMATS}
    assert unsaid == {
        "standard": [],
        "phonovation-v2": ["SENDING", "SENT", "DELIVERED", "READ", "UNDELIVERED", "FAILED", "EXPIRED"],
        "routee": ["READ"],
        "insider": ["QUEUED", "SENDING", "READ"],
        "mta-v1": ["READ"],
    }
    for name, item in listed.items():
        assert json.dumps(item["examples"]) == json.dumps(formats.examples(name))


def test_any_key_opens_it(anyone: Api, customer: Api, platform: Api) -> None:
    """An account key and a platform key, which need not name an account; without a key it is 401."""
    answers = [api("GET", "/payload-formats") for api in (customer, platform, replace(platform, account="acme"))]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert anyone("GET", "/payload-formats").status_code == 401
    assert replace(customer, account="other")("GET", "/payload-formats").status_code == 403
    assert customer("POST", "/payload-formats", json={}).status_code == 405


@pytest.mark.parametrize("query", ["limit=2", "after=routee", "name=routee"])
def test_has_no_pages(customer: Api, query: str) -> None:
    """All at once: whoever asks for a part is told that there is none."""
    answer = customer("GET", f"/payload-formats?{query}")
    assert answer.status_code == 400
    assert [error["code"] for error in answer.json["errors"]] == ["unknown_field"]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_unknown_one_is_refused_with_the_names(customer: Api, method: str) -> None:
    """Registering or changing a webhook with an unknown payload format is 400, lists the names, and changes nothing."""
    if method == "PUT":
        customer("POST", WEBHOOK, json={"callbackUrl": URL_1, "payloadFormat": "insider"})
    before = customer("GET", WEBHOOK)
    for unknown in ("xml", "Standard", "", "mta-v2", "standard "):
        answer = customer(method, WEBHOOK, json={"callbackUrl": URL_1, "payloadFormat": unknown})
        assert answer.status_code == 400, unknown
        (error,) = answer.json["errors"]
        assert (error["field"], error["code"]) == ("payloadFormat", "unknown_value")
        assert "standard, phonovation-v2, routee, insider, mta-v1" in error["message"]
    after = customer("GET", WEBHOOK)
    assert (after.status_code, after.json) == (before.status_code, before.json)


def test_every_listed_one_can_be_registered(customer: Api, listed: dict[str, dict[str, Any]]) -> None:
    """What is listed is what POST and PUT take."""
    first, *others = listed
    assert customer("POST", WEBHOOK, json={"callbackUrl": URL_1, "payloadFormat": first}).status_code == 201
    for name in others:
        put = customer("PUT", WEBHOOK, json={"callbackUrl": URL_1, "payloadFormat": name})
        assert (put.status_code, put.json["payloadFormat"]) == (200, name)
    assert customer("PUT", WEBHOOK, json={"callbackUrl": URL_1}).json["payloadFormat"] == others[-1]

"""An account's key reaches nothing of another account: every call of the OpenAPI document."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.api import URL_1, WEBHOOK, Api

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "openapi" / "openapi.json").read_text())
CALLS = [
    pytest.param(method.upper(), path, id=described["operationId"])
    for path, item in DOCUMENT["paths"].items()
    for method, described in item.items()
    if method != "parameters" and described.get("security") != []
]
OF_A_DELIVERY = [
    pytest.param(method.upper(), path, id=described["operationId"])
    for path, item in DOCUMENT["paths"].items()
    for method, described in item.items()
    if method != "parameters" and "{delivery_id}" in path
]
EVENT = {
    "accountId": "globex",
    "messageId": "m",
    "channel": "SMS",
    "status": "SENT",
    "timestamp": "2026-04-09T14:39:40Z",
}


@pytest.fixture
def delivery_id(make_customer: Callable[[str], Api], platform: Api) -> str:
    """The id of a delivery of `globex`, which has a webhook."""
    other = make_customer("globex")
    other("POST", WEBHOOK, json={"callbackUrl": URL_1})
    assert platform("POST", "/events", json={"events": [EVENT]}).json["accepted"] == 1
    return str(other("GET", "/deliveries").json["items"][0]["id"])


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_key_acts_for_its_own_account_only(customer: Api, delivery_id: str, method: str, path: str) -> None:
    """A call that names another account is 403, whatever else is in it, and so is every call of the platform's."""
    named = replace(customer, account="globex")
    filled = path.format(account_id="globex", key_id="key_1", delivery_id=delivery_id)
    answer = named(method, filled, json=None if method in {"GET", "DELETE"} else {})
    assert answer.status_code == 403
    assert answer.json["type"] == "urn:webhook-admin:forbidden"


@pytest.mark.parametrize(("method", "path"), OF_A_DELIVERY)
def test_another_accounts_delivery_is_not_there(customer: Api, delivery_id: str, method: str, path: str) -> None:
    """404, as if there were none: its id says nothing to anybody else."""
    answer = customer(method, path.format(delivery_id=delivery_id))
    assert answer.status_code == 404
    assert answer.json == customer(method, path.format(delivery_id="dlv_" + "0" * 32)).json


def test_lists_and_counts_are_an_accounts_own(customer: Api, delivery_id: str) -> None:
    """Nothing of another account is listed, counted, resent or verified."""
    assert customer("GET", "/deliveries").json["items"] == []
    assert customer("GET", f"{WEBHOOK}/statistics").json["pending"] == 0
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    resent = customer("POST", "/deliveries/resend", json={"states": ["PENDING", "FAILED"]})
    assert resent.json == {"matched": 0, "resent": 0, "more": False}

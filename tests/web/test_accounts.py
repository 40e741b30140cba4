"""/accounts: the platform's customers (contract, section 1)."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.api import URL_1, WEBHOOK, Api


def test_put_creates(platform: Api) -> None:
    """PUT of an account that is not there is 201 with the account."""
    response = platform("PUT", "/accounts/acme", json={"name": "Acme Ltd"})
    assert response.status_code == 201
    created_at = response.json["createdAt"]
    assert response.json == {"id": "acme", "name": "Acme Ltd", "createdAt": created_at, "updatedAt": created_at}
    assert created_at.endswith("Z")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(created_at)).total_seconds()) < 5


def test_put_needs_no_body(platform: Api) -> None:
    """A body is not needed, as there is nothing that an account must have."""
    response = platform("PUT", "/accounts/acme")
    assert (response.status_code, response.json["name"]) == (201, None)


def test_put_changes_the_name(platform: Api) -> None:
    """PUT of an account that is there is 200 with the account: the new name, a later `updatedAt`, all else kept."""
    created = platform("PUT", "/accounts/acme", json={"name": "old"}).json
    response = platform("PUT", "/accounts/acme", json={"name": "new"})
    assert response.status_code == 200
    assert response.json == created | {"name": "new", "updatedAt": response.json["updatedAt"]}
    assert response.json["updatedAt"] > created["updatedAt"]
    assert platform("GET", "/accounts/acme").json == response.json


@pytest.mark.parametrize(("body", "name"), [({}, "old"), ({"name": None}, None)])
def test_put_of_a_name_left_out_or_null(platform: Api, body: dict[str, None], name: str | None) -> None:
    """A name that is left out is kept; null takes it away."""
    platform("PUT", "/accounts/acme", json={"name": "old"})
    response = platform("PUT", "/accounts/acme", json=body)
    assert (response.status_code, response.json["name"]) == (200, name)


def test_ids_that_may_be(platform: Api) -> None:
    """An account id is 1 to 64 of `A-Za-z0-9._-`, and names the account in every path."""
    for account_id in ("a", "Z-9_.x", "...", "a" * 64):
        assert platform("PUT", f"/accounts/{account_id}").json["id"] == account_id
        assert platform("GET", f"/accounts/{account_id}").json["id"] == account_id
        assert platform("GET", f"/accounts/{account_id}/keys").json["items"] == []
        assert platform("DELETE", f"/accounts/{account_id}").status_code == 204


def test_ids_that_may_not_be(platform: Api) -> None:
    """Any other id is 400 for PUT, naming `id`, and 404 for what needs the account to be there."""
    for account_id in ("a" * 65, "a%20b", "a%0A", "%00", "%C3%BC", "%FF", "a:b", "a%3Fb", "%D9%A1"):
        refused = platform("PUT", f"/accounts/{account_id}")
        assert refused.status_code == 400, account_id
        assert [(error["field"], error["code"]) for error in refused.json["errors"]] == [("id", "invalid_account_id")]
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/keys"), ("POST", "/keys"), ("DELETE", "/keys/x")):
            assert platform(method, f"/accounts/{account_id}{path}").status_code == 404, account_id


def test_ids_that_no_path_can_name(platform: Api) -> None:
    """`.` and `..`, which clients remove from a path, are refused, and the message says so."""
    for account_id in (".", ".."):
        refused = platform("PUT", f"/accounts/{account_id}")
        assert refused.status_code == 400
        assert "but not '.' or '..'" in refused.json["detail"]
    assert platform("GET", "/accounts").json["items"] == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_unknown_account(platform: Api, method: str) -> None:
    """What is not there is 404, and the detail says how to make it."""
    response = platform(method, "/accounts/nobody")
    assert response.status_code == 404
    assert "PUT /accounts/{id}" in response.json["detail"]


def test_list_is_by_id(platform: Api, customer: Api) -> None:
    """GET /accounts lists each account as GET of it shows it, in the order of the ids' bytes."""
    ids = ["Z", "_", "-", "...", "0", "z", "Zz"]
    for account_id in ids:
        platform("PUT", f"/accounts/{account_id}", json={"name": f"Name of {account_id}"})
    listed = platform("GET", "/accounts").json
    shown = [platform("GET", f"/accounts/{account_id}").json for account_id in sorted([*ids, "acme"])]
    assert listed == {"items": shown, "next": None}


def test_delete_answers_without_a_body(platform: Api, customer: Api) -> None:
    """DELETE is 204 without a body; the account is gone."""
    response = platform("DELETE", "/accounts/acme")
    assert (response.status_code, response.data, response.content_type) == (204, b"", None)
    assert platform("GET", "/accounts/acme").status_code == 404
    assert platform("GET", "/accounts").json["items"] == []


def test_delete_takes_keys_and_webhook_along(platform: Api, customer: Api) -> None:
    """With the account its keys stop working and its webhook is gone; a new account of the id has neither."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    platform("DELETE", "/accounts/acme")
    assert platform("GET", "/webhooks").json["items"] == []
    assert platform("PUT", "/accounts/acme").status_code == 201
    assert customer("GET", WEBHOOK).status_code == 401
    assert platform("GET", "/accounts/acme/keys").json["items"] == []
    assert platform("GET", WEBHOOK, headers={"X-Account-Id": "acme"}).status_code == 404


def test_delete_leaves_other_accounts_alone(platform: Api, make_customer: Callable[[str], Api]) -> None:
    """Other accounts keep their keys and webhooks."""
    make_customer("one")
    other = make_customer("other")
    other("POST", WEBHOOK, json={"callbackUrl": URL_1})
    platform("DELETE", "/accounts/one")
    assert other("GET", WEBHOOK).status_code == 200

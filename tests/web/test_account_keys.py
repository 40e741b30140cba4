"""/accounts/{id}/keys: the API keys of an account (contract, section 1)."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.api import WEBHOOK, Api
from tests.waiting import wait_until
from webhook_admin.db import Database
from webhook_admin.models import api_keys

KEYS = "/accounts/acme/keys"


@pytest.fixture
def account(platform: Api) -> None:
    """The account `acme`, without a key."""
    platform("PUT", "/accounts/acme")


def expire(database: Database, key_id: str) -> None:
    """Let the key's time of expiry be a moment ago."""
    with database.transaction() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(expires_at=past))


def items(platform: Api, limit: int = 100) -> Iterator[dict[str, Any]]:
    """The account's keys, fetched page by page."""
    query = ""
    for _ in range(10):
        page = platform("GET", f"{KEYS}?limit={limit}{query}").json
        yield from page["items"]
        if page["next"] is None:
            return
        query = f"&after={page['next']}"
    pytest.fail("the list has no end")


# POST


def test_post_shows_the_key(platform: Api, account: None) -> None:
    """POST, which needs no body, is 201 with the new key and what is known about it."""
    response = platform("POST", KEYS)
    assert response.status_code == 201
    made = response.json
    assert made == {
        "id": made["id"],
        "key": made["key"],
        "accountId": "acme",
        "name": None,
        "createdAt": made["createdAt"],
        "expiresAt": None,
    }
    assert re.fullmatch(r"key_[0-9a-f]{32}", made["id"])
    assert abs((datetime.now(UTC) - datetime.fromisoformat(made["createdAt"])).total_seconds()) < 5


def test_location_leads_to_the_key(platform: Api, account: None) -> None:
    """The Location of a 201 is the path at which DELETE revokes the key, and keeps a path prefix."""
    for prefix in ("", "/hooks"):
        response = platform("POST", KEYS, environ_overrides={"SCRIPT_NAME": prefix})
        path = f"{KEYS}/{response.json['id']}"
        assert response.headers["Location"] == prefix + path
        assert platform("DELETE", path).status_code == 204


def test_post_keeps_name_and_expiry(platform: Api, account: None) -> None:
    """A key has the name and the time of expiry that it was given."""
    body = {"name": "deploy script", "expiresAt": "2999-01-31T09:30:00.250000Z"}
    assert platform("POST", KEYS, json=body).json.items() > body.items()


def test_the_key_works(platform: Api, account: None) -> None:
    """The key that POST shows acts for its account at once."""
    customer = Api(platform.client, platform("POST", KEYS).json["key"])
    assert customer("GET", WEBHOOK, headers={"X-Account-Id": "acme"}).status_code == 404


def test_third_active_key_is_a_conflict(platform: Api, account: None) -> None:
    """An account has at most two active keys; the detail says what makes room, and that does."""
    first = platform("POST", KEYS).json["id"]
    platform("POST", KEYS)
    refused = platform("POST", KEYS)
    assert refused.status_code == 409
    assert "DELETE /accounts/{id}/keys/{keyId}" in refused.json["detail"]
    platform("DELETE", f"{KEYS}/{first}")
    assert platform("POST", KEYS).status_code == 201


def test_expired_key_makes_room(platform: Api, database: Database, account: None) -> None:
    """A key that has expired is not counted among the two."""
    first = platform("POST", KEYS).json["id"]
    platform("POST", KEYS)
    expire(database, first)
    assert platform("POST", KEYS).status_code == 201


# expiresAt


def test_expiry_is_any_moment_to_come(platform: Api, account: None) -> None:
    """`expiresAt` is RFC 3339 with any offset, and is shown in UTC with `Z`; null is never."""
    for given, shown in {
        "2999-01-31T09:30:00Z": "2999-01-31T09:30:00.000000Z",
        "2999-01-31t09:30:00z": "2999-01-31T09:30:00.000000Z",
        "2999-01-31T09:30:00.1234567Z": "2999-01-31T09:30:00.123456Z",
        "2999-01-31T09:30:00.5+02:00": "2999-01-31T07:30:00.500000Z",
        "2999-01-31T23:30:00-01:30": "2999-02-01T01:00:00.000000Z",
        "9999-12-31T23:59:59.999999Z": "9999-12-31T23:59:59.999999Z",
        None: None,
    }.items():
        made = platform("POST", KEYS, json={"expiresAt": given})
        assert (made.status_code, made.json["expiresAt"]) == (201, shown)
        assert [key["expiresAt"] for key in items(platform)] == [shown]
        platform("DELETE", f"{KEYS}/{made.json['id']}")


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_last_moment_in_another_time_zone(platform: Api, database: Database, account: None) -> None:
    """The last moment of the year 9999 is shown even if PostgreSQL's own clock is ahead of UTC."""
    with database.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {database.url.database} SET timezone = 'Asia/Tokyo'")
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    platform("POST", KEYS, json={"expiresAt": "9999-12-31T23:59:59Z"})
    assert [key["expiresAt"] for key in items(platform)] == ["9999-12-31T23:59:59.000000Z"]


def test_expiry_that_is_refused(platform: Api, account: None) -> None:
    """A time of expiry that is past, has no offset or does not exist is 400, and no key is made."""
    past = ["2020-01-31T09:30:00Z", "0001-01-01T00:00:00Z"]
    no_times = [
        "2999-01-31T09:30:00",
        "2999-01-31",
        "2999-01-31 09:30:00Z",
        "2999-02-29T09:30:00Z",
        "2999-01-31T24:30:00Z",
        "2999-01-31T09:30:00+24:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "+12999-01-31T09:30:00Z",
        "\u0662999-01-31T09:30:00Z",
        32503680000,
    ]
    for given in past + no_times:
        response = platform("POST", KEYS, json={"expiresAt": given})
        code = "in_the_past" if given in past else "invalid"
        assert response.status_code == 400, given
        assert [(error["field"], error["code"]) for error in response.json["errors"]] == [("expiresAt", code)], given
    assert list(items(platform)) == []


def test_expired_key_stops_working(platform: Api, database: Database, account: None) -> None:
    """From its time of expiry on a key is 401; the list still shows it."""
    made = platform("POST", KEYS).json
    customer = Api(platform.client, made["key"])
    assert customer("GET", WEBHOOK).status_code == 404
    expire(database, made["id"])
    assert customer("GET", WEBHOOK).status_code == 401
    assert [key["id"] for key in items(platform)] == [made["id"]]


# GET


def test_list_shows_no_secrets(platform: Api, account: None) -> None:
    """GET lists the keys, the oldest first: what POST has shown, without the key, and with `lastUsedAt`."""
    made = [platform("POST", KEYS, json={"name": name}).json for name in ("first", "second")]
    response = platform("GET", KEYS)
    expected = [{**key, "lastUsedAt": None} for key in made]
    secrets = [key.pop("key") for key in expected]
    assert response.json == {"items": expected, "next": None}
    assert not [secret for secret in secrets if secret in response.text]


def test_last_used_at_is_written(platform: Api, account: None) -> None:
    """Soon after a key has been used the list says when, to the minute."""
    customer = Api(platform.client, platform("POST", KEYS).json["key"])
    customer("GET", WEBHOOK)
    used = wait_until(lambda: next(items(platform))["lastUsedAt"])
    assert abs(datetime.now(UTC) - datetime.fromisoformat(used)) < timedelta(minutes=1)


def test_list_comes_in_pages(platform: Api, database: Database, account: None) -> None:
    """Page by page the list holds every key once, expired ones included, in the order of their making."""
    made = []
    for _ in range(4):
        made.append(platform("POST", KEYS).json["id"])
        expire(database, made[-1])
    assert [key["id"] for key in items(platform, limit=1)] == made
    assert [key["id"] for key in items(platform, limit=4)] == made


def test_list_is_of_one_account(platform: Api, account: None, make_customer: Callable[[str], Api]) -> None:
    """The list holds neither another account's keys nor the platform's."""
    make_customer("other")
    assert list(items(platform)) == []


# DELETE


def test_revoked_key_stops_working(platform: Api, account: None) -> None:
    """DELETE is 204 without a body; the key is 401 with the next request, and gone from the list."""
    made = platform("POST", KEYS).json
    customer = Api(platform.client, made["key"])
    assert customer("GET", WEBHOOK).status_code == 404
    response = platform("DELETE", f"{KEYS}/{made['id']}")
    assert (response.status_code, response.data, response.content_type) == (204, b"", None)
    assert customer("GET", WEBHOOK).status_code == 401
    assert list(items(platform)) == []
    assert platform("DELETE", f"{KEYS}/{made['id']}").status_code == 404


def test_revoking_what_is_not_there(platform: Api, account: None) -> None:
    """The id of no key is 404."""
    for key_id in (f"key_{'0' * 32}", "x", "%00", "%FF", "k" * 5000):
        assert platform("DELETE", f"{KEYS}/{key_id}").status_code == 404, key_id


def test_revoking_through_another_account(
    platform: Api, account: None, database: Database, make_customer: Callable[[str], Api]
) -> None:
    """Under one account's path neither another account's key nor a platform key can be revoked: 404, and both work."""
    other = make_customer("other")
    foreign = [platform("GET", "/accounts/other/keys").json["items"][0]["id"], f"key_{str(platform.key).split('_')[1]}"]
    assert [platform("DELETE", f"{KEYS}/{key_id}").status_code for key_id in foreign] == [404, 404]
    assert other("GET", WEBHOOK).status_code == 404
    assert platform("GET", KEYS).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", ""), ("DELETE", "/key_0")])
def test_keys_of_an_unknown_account(platform: Api, method: str, path: str) -> None:
    """The keys of an account that is not there are 404, and the detail says how to make the account."""
    response = platform(method, f"/accounts/nobody/keys{path}")
    assert response.status_code == 404
    assert "PUT /accounts/{id}" in response.json["detail"]

"""/webhooks, and what all lists have in common (contract, section 1)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, update

from tests.api import URL_1, WEBHOOK, Api
from webhook_admin.db import Database
from webhook_admin.models import accounts, lanes, webhooks

# The lists of unlimited length, and what each item is ordered by.
LISTS = {"/accounts": "id", "/webhooks": "accountId"}
ALL_LISTS = [*LISTS, "/accounts/acme/keys"]


def register(platform: Api, *account_ids: str) -> None:
    """Make the accounts, each with a webhook."""
    for account_id in account_ids:
        platform("PUT", f"/accounts/{account_id}")
        platform("POST", WEBHOOK, json={"callbackUrl": URL_1}, headers={"X-Account-Id": account_id})


def fill(database: Database, count: int) -> None:
    """Store so many accounts, each with a webhook, of which every 25th is disabled."""
    times = {"created_at": datetime.now(UTC), "updated_at": datetime.now(UTC)}
    ids = [f"account-{number:05}" for number in range(count)]
    registration = {"callback_url": URL_1, "payload_format": "standard", "signing_secret": b"", "revision": 1} | times
    with database.transaction() as connection:
        connection.execute(insert(accounts), [{"id": id_, **times} for id_ in ids])
        connection.execute(
            insert(webhooks),
            [
                {"account_id": id_, "id": f"wh_{id_}", "status": "ACTIVE" if number % 25 else "DISABLED"} | registration
                for number, id_ in enumerate(ids)
            ],
        )
        due = {"destination": "", "due_at": None, "failures": 0, "paused_until": 0}
        connection.execute(insert(lanes), [{"account_id": id_, **due} for id_ in ids])
    with database.connect() as connection:
        connection.exec_driver_sql("ANALYZE")


def walk(platform: Api, path: str, limit: int) -> Iterator[list[str]]:
    """The accounts on each page of a list, a page at a time."""
    query = ""
    for _ in range(10):
        page = platform("GET", f"{path}?limit={limit}{query}").json
        yield [item[LISTS[path]] for item in page["items"]]
        if page["next"] is None:
            return
        query = f"&after={page['next']}"
    pytest.fail("the list has no end")


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """What is sent to any database meanwhile: statements with their parameters."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        sent.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def plan(database: Database, statement: str, parameters: Any) -> str:
    """How the database goes about a statement."""
    explain = "EXPLAIN QUERY PLAN" if database.file else "EXPLAIN"
    with database.connect() as connection:
        return str(connection.exec_driver_sql(f"{explain} {statement}", parameters).all())


# GET /webhooks


def test_every_webhook_is_listed(platform: Api) -> None:
    """GET /webhooks lists each webhook as its account sees it, with `accountId`, by the account's id."""
    register(platform, "b", "a", "C")
    seen = {account_id: platform("GET", WEBHOOK, headers={"X-Account-Id": account_id}).json for account_id in "Cab"}
    expected = [{"accountId": account_id} | webhook for account_id, webhook in seen.items()]
    assert platform("GET", "/webhooks").json == {"items": expected, "next": None}


@pytest.mark.parametrize(("status", "listed"), [("ACTIVE", ["a", "c"]), ("DISABLED", ["b", "d"])])
def test_list_of_one_status(platform: Api, database: Database, status: str, listed: list[str]) -> None:
    """With `?status=` only the webhooks of that status are listed, and pages are counted in them."""
    register(platform, "a", "b", "c", "d")
    with database.transaction() as connection:
        connection.execute(update(webhooks).where(webhooks.c.account_id.in_(["b", "d"])).values(status="DISABLED"))
    first = platform("GET", f"/webhooks?status={status}&limit=1").json
    second = platform("GET", f"/webhooks?status={status}&limit=1&after={first['next']}").json
    assert [item["accountId"] for item in first["items"] + second["items"]] == listed
    assert {item["status"] for item in first["items"] + second["items"]} == {status}
    assert second["next"] is None


def test_unknown_status(platform: Api) -> None:
    """A status that is none is 400, and the message lists those that there are."""
    for status in ("GONE", "active", ""):
        response = platform("GET", f"/webhooks?status={status}")
        assert response.status_code == 400, status
        assert [error["field"] for error in response.json["errors"]] == ["status"]
        assert "ACTIVE, DISABLED" in response.json["errors"][0]["message"]


# All lists


@pytest.mark.parametrize("path", LISTS)
def test_empty_list(platform: Api, path: str) -> None:
    """A list of nothing is an empty page, and the last."""
    assert platform("GET", path).json == {"items": [], "next": None}


@pytest.mark.parametrize("path", LISTS)
def test_pages_are_complete(platform: Api, path: str) -> None:
    """Page by page every item comes once and in order; each page but the last is full, and no empty one follows."""
    register(platform, "e", "d", "c", "b", "a")
    for limit in (1, 2, 5, 6):
        pages = list(walk(platform, path, limit))
        assert pages == [list("abcde")[start : start + limit] for start in range(0, 5, limit)]


@pytest.mark.parametrize("path", LISTS)
def test_a_page_has_100_items_by_default_and_500_at_most(platform: Api, database: Database, path: str) -> None:
    """`limit` is 100 by default, and may be 1 to 500."""
    fill(database, 501)
    pages = [platform("GET", f"{path}{query}").json for query in ("", "?limit=1", "?limit=500")]
    assert [len(page["items"]) for page in pages] == [100, 1, 500]
    assert all(page["next"] for page in pages)


@pytest.mark.parametrize("path", LISTS)
def test_pages_are_stable_while_rows_come_and_go(platform: Api, path: str) -> None:
    """Whatever is inserted and deleted between two pages, what is there all the time comes exactly once."""
    register(platform, "b", "d", "f", "h", "j", "l")
    pages = walk(platform, path, 2)
    assert next(pages) == ["b", "d"]
    # Before the next page, at its border, behind it, and the very item that `next` has named.
    register(platform, "a", "c", "e", "i")
    for account_id in ("b", "d", "h"):
        platform("DELETE", f"/accounts/{account_id}")
    assert next(pages) == ["e", "f"]
    register(platform, "b", "m")
    platform("DELETE", "/accounts/l")
    assert list(pages) == [["i", "j"], ["m"]]


@pytest.mark.parametrize("path", ALL_LISTS)
def test_limit_that_is_refused(platform: Api, customer: Api, path: str) -> None:
    """A `limit` that is no whole number from 1 to 500 is 400, naming `limit` and what it may be."""
    for limit in ("0", "501", "-1", "1.0", "1e2", "ten", "", "%201", "%2B1", "1_0", "%EF%BC%91", "9" * 5000):
        response = platform("GET", f"{path}?limit={limit}")
        assert response.status_code == 400, limit
        assert [error["field"] for error in response.json["errors"]] == ["limit"]
        assert "1 to 500" in response.json["errors"][0]["message"]


@pytest.mark.parametrize("path", ALL_LISTS)
def test_after_that_is_refused(platform: Api, customer: Api, path: str) -> None:
    """An `after` that no page can have given is 400, naming `after`."""
    for after in ("", "a" * 65, "%00", "a%0A", "%C3%BC", "%FF", "a%20b", "'"):
        response = platform("GET", f"{path}?after={after}")
        assert response.status_code == 400, after
        assert [error["field"] for error in response.json["errors"]] == ["after"]


@pytest.mark.parametrize("path", LISTS)
def test_after_need_not_exist(platform: Api, path: str) -> None:
    """`after` is only compared: what lies behind it is listed, also when its item has gone meanwhile."""
    register(platform, "a", "b")
    for after, listed in {"a": ["b"], "aa": ["b"], "b": []}.items():
        assert [item[LISTS[path]] for item in platform("GET", f"{path}?after={after}").json["items"]] == listed


@pytest.mark.parametrize("path", ALL_LISTS)
def test_unknown_parameter(platform: Api, customer: Api, path: str) -> None:
    """A query parameter that there is not is 400 and named: a mistyped filter must not look like one that works."""
    response = platform("GET", f"{path}?Limit=1&offset=0")
    assert response.status_code == 400
    errors = {error["field"]: error["code"] for error in response.json["errors"]}
    assert errors == {"Limit": "unknown_field", "offset": "unknown_field"}


def test_every_page_costs_the_same(platform: Api, database: Database) -> None:
    """A page is read from an index in its order: nothing is sorted and no table is searched, however long it is."""
    fill(database, 5_000)
    for query in ("/accounts?limit=10", "/webhooks?limit=10", "/webhooks?limit=10&status=DISABLED"):
        for after in ("", "&after=account-01000"):
            with statements() as sent:
                assert len(platform("GET", query + after).json["items"]) == 10
            steps = plan(database, *next(statement for statement in sent if "ORDER BY" in statement[0]))
            # Which index serves `status` is for the planner to say, by how rare the status is.
            assert re.search(r"(?:USING INDEX|Index Scan using) \w+", steps), steps
            assert not [word for word in ("TEMP B-TREE", "Sort", "Seq Scan", "Bitmap") if word in steps], steps

"""What comes back when something is wrong, and in which order a request is judged (contract, section 1)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import URL, update

from tests.api import URL_1, URL_2, WEBHOOK, Answer, Api
from tests.waiting import wait_until
from webhook_admin.db import Database
from webhook_admin.models import webhooks

BODY = {"callbackUrl": URL_1}
# Bodies of a request that are wrong in one way each: as `options` of a call.
OVERSIZED = {"data": b" " * 65_537, "content_type": "application/json"}
NOT_JSON = {"data": b"{", "content_type": "application/json"}
WRONG_TYPE = {"data": b"{}", "content_type": "text/plain"}


@dataclass
class Callers:
    """Who may call: nobody known, an account of the id `acme`, and the platform."""

    anyone: Api
    customer: Api
    platform: Api


@pytest.fixture
def callers(anyone: Api, customer: Api, platform: Api) -> Callers:
    """All of them, on one store."""
    return Callers(anyone, customer, platform)


def assert_problem(response: Answer, status: int, *more: str) -> None:
    """Fail unless the response is a problem of the status, with its members and `more`."""
    problem = response.json
    assert (response.status_code, response.content_type) == (status, "application/problem+json")
    assert set(problem) == {"type", "title", "status", "detail", *more}
    assert problem["status"] == status
    assert problem["type"] == "about:blank" or problem["type"].startswith("urn:webhook-admin:")
    assert problem["title"]
    assert problem["detail"]
    assert response.data.endswith(b"\n")
    # Of one connection only, so no business of an application's (PEP 3333).
    assert "Connection" not in response.headers


# Every error


ERRORS: list[tuple[str, str, str, dict[str, Any], int]] = [
    ("customer", "POST", WEBHOOK, {"json": {}}, 400),
    ("platform", "GET", WEBHOOK, {}, 400),
    ("platform", "GET", "/webhooks?limit=0", {}, 400),
    ("anyone", "GET", WEBHOOK, {}, 401),
    ("customer", "GET", "/accounts", {}, 403),
    ("customer", "GET", WEBHOOK, {"headers": {"X-Account-Id": "other"}}, 403),
    ("customer", "GET", WEBHOOK, {}, 404),
    ("platform", "GET", "/accounts/nobody", {}, 404),
    ("platform", "DELETE", "/accounts/acme/keys/none", {}, 404),
    ("anyone", "GET", "/nothing", {}, 404),
    ("customer", "PATCH", WEBHOOK, {}, 405),
    ("customer", "POST", WEBHOOK, OVERSIZED, 413),
    ("customer", "POST", WEBHOOK, WRONG_TYPE, 415),
]


def test_every_error_is_a_problem(callers: Callers) -> None:
    """Every error is RFC 9457's problem, repeats its HTTP status, and only with 400 lists what is wrong."""
    for caller, method, path, options, status in ERRORS:
        response = getattr(callers, caller)(method, path, **options)
        assert_problem(response, status, *(["errors"] if status == 400 else []))


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [("POST", {}, 409), ("PUT", {"If-Match": '"x"'}, 412), ("DELETE", {"If-Match": '"x"'}, 412)],
)
def test_every_conflict_is_a_problem(customer: Api, method: str, headers: dict[str, str], status: int) -> None:
    """So is what does not fit the webhook that is there."""
    customer("POST", WEBHOOK, json=BODY)
    assert_problem(customer(method, WEBHOOK, json=BODY, headers=headers), status)


def test_413_has_its_name_of_today(customer: Api) -> None:
    """A 413 is called as in RFC 9110."""
    assert customer("POST", WEBHOOK, **OVERSIZED).json["title"] == "Content Too Large"


def test_401_says_how_to_authenticate(anyone: Api) -> None:
    """A 401 carries WWW-Authenticate."""
    assert anyone("GET", WEBHOOK).headers["WWW-Authenticate"].startswith("Bearer")


def test_405_says_what_is_allowed(platform: Api) -> None:
    """A method that a resource does not have is 405, and Allow lists those that it has."""
    for path, methods in {
        WEBHOOK: {"POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS"},
        "/webhooks": {"GET", "HEAD", "OPTIONS"},
        "/accounts": {"GET", "HEAD", "OPTIONS"},
        "/accounts/acme": {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"},
        "/accounts/acme/keys": {"POST", "GET", "HEAD", "OPTIONS"},
        "/accounts/acme/keys/none": {"DELETE", "OPTIONS"},
    }.items():
        for method in ("PATCH", "TRACE", "PROPFIND"):
            response = platform(method, path)
            assert_problem(response, 405)
            assert set(response.headers["Allow"].split(", ")) == methods, path


def test_options_says_what_is_allowed(callers: Callers) -> None:
    """OPTIONS is judged like any other call, and answered by Allow alone: 204 without body and media type."""
    assert_problem(callers.anyone("OPTIONS", WEBHOOK), 401)
    assert_problem(callers.customer("OPTIONS", "/accounts"), 403)
    for caller, path, methods in (
        (callers.customer, WEBHOOK, {"POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
        (callers.anyone, "/health/live", {"GET", "HEAD", "OPTIONS"}),
        (callers.anyone, "/docs", {"GET", "HEAD", "OPTIONS"}),
    ):
        response = caller("OPTIONS", path)
        assert (response.status_code, response.data, response.content_type) == (204, b"", None)
        assert set(response.headers["Allow"].split(", ")) == methods


@pytest.mark.parametrize("path", ["", "accounts", "*", "//accounts", "//", "host:80"])
def test_targets_that_are_no_path(callers: Callers, path: str) -> None:
    """A target that does not begin with one "/" is 404, not a redirect to a Host that the client has made up."""
    for caller in (callers.anyone, callers.platform):
        for method in ("GET", "OPTIONS"):
            overrides = {"PATH_INFO": path, "HTTP_HOST": "evil.example"}
            response = caller(method, "/", environ_overrides=overrides)
            assert_problem(response, 404)
            assert "evil" not in str(response.headers)


def test_unknown_paths(callers: Callers) -> None:
    """Whoever asks, and whatever for, a path that is none is 404: no redirect, no guess."""
    for path in (
        f"{WEBHOOK}/",
        f"{WEBHOOK}/x",
        "/webhooks//delivery-status",
        "/Webhooks/delivery-status",
        "/webhooks/%00",
        "/accounts/",
        "/accounts//keys",
        "/accounts/acme/keys/a/b",
        "/accounts/../../etc/passwd",
        "/\U0001f984",
        f"/{'a' * 10_000}",
    ):
        for caller in (callers.anyone, callers.customer, callers.platform):
            assert_problem(caller("GET", path), 404)
            assert_problem(caller("POST", path), 404)


# The order of judgement: 401 and 403, 405, 415, 413, 400, 404 and 409


ORDER: dict[str, tuple[str, str, str, dict[str, Any], int]] = {
    "401 before 405": ("anyone", "PATCH", WEBHOOK, NOT_JSON, 401),
    "401 before 415": ("anyone", "POST", WEBHOOK, WRONG_TYPE, 401),
    "401 before 413": ("anyone", "POST", WEBHOOK, OVERSIZED, 401),
    "401 before 400": ("anyone", "POST", WEBHOOK, NOT_JSON, 401),
    "401 before 400 for a parameter": ("anyone", "GET", "/webhooks?limit=0", {}, 401),
    "401 before 404": ("anyone", "GET", "/accounts/nobody", {}, 401),
    "403 before 405": ("customer", "PATCH", "/accounts", NOT_JSON, 403),
    "403 before 415": ("customer", "PUT", "/accounts/acme", WRONG_TYPE, 403),
    "403 before 413": ("customer", "PUT", "/accounts/acme", OVERSIZED, 403),
    "403 before 400": ("customer", "PUT", "/accounts/acme", NOT_JSON, 403),
    "403 before 404": ("customer", "GET", "/accounts/nobody", {}, 403),
    "403 for another before 405": ("customer", "PATCH", WEBHOOK, {"headers": {"X-Account-Id": "other"}}, 403),
    "405 before 415": ("customer", "PATCH", WEBHOOK, WRONG_TYPE, 405),
    "405 before 413": ("customer", "PATCH", WEBHOOK, OVERSIZED, 405),
    "405 before 400": ("customer", "PATCH", WEBHOOK, NOT_JSON, 405),
    "405 before 404": ("platform", "PATCH", "/accounts/nobody", {}, 405),
    "415 before 413": ("customer", "POST", WEBHOOK, OVERSIZED | {"content_type": "text/plain"}, 415),
    "415 before 400": ("customer", "POST", WEBHOOK, WRONG_TYPE | {"data": b"{"}, 415),
    "415 before 404": ("platform", "POST", "/accounts/nobody/keys", WRONG_TYPE, 415),
    "413 before 400": ("customer", "POST", WEBHOOK, OVERSIZED, 413),
    "413 before 404": ("platform", "POST", "/accounts/nobody/keys", OVERSIZED, 413),
    "400 before 404": ("platform", "POST", "/accounts/nobody/keys", NOT_JSON, 400),
    "400 for a parameter before 404": ("platform", "GET", "/accounts/nobody/keys?limit=0", {}, 400),
    "400 before 404 acted for": ("platform", "POST", WEBHOOK, NOT_JSON | {"headers": {"X-Account-Id": "nobody"}}, 400),
    "400 before 404 of the webhook": ("customer", "PUT", WEBHOOK, NOT_JSON, 400),
}


def test_order_of_judgement(callers: Callers) -> None:
    """Of two things that are wrong, the one that comes first in the contract's order is told."""
    for order, (caller, method, path, options, status) in ORDER.items():
        assert getattr(callers, caller)(method, path, **options).status_code == status, order


@pytest.mark.parametrize(
    ("options", "status"), [(WRONG_TYPE, 415), (OVERSIZED, 413), (NOT_JSON, 400), ({"json": {}}, 400)]
)
def test_409_comes_last(customer: Api, options: dict[str, Any], status: int) -> None:
    """That there is a webhook already is only told to a request that is right in itself."""
    customer("POST", WEBHOOK, json=BODY)
    assert customer("POST", WEBHOOK, **options).status_code == status


# A fault in the service


def test_500_tells_only_where_to_look(customer: Api, database: Database) -> None:
    """A failure that nobody foresaw is 500 with the correlation id, and nothing of what went on inside."""
    customer("POST", WEBHOOK, json=BODY)
    with database.connect() as connection:
        # What no caller can bring about: a time that is none, and a column that is not there.
        connection.exec_driver_sql(
            "UPDATE webhooks SET created_at = 'never'" if database.file else "ALTER TABLE webhooks DROP revision"
        )
    response = customer("GET", WEBHOOK)
    assert_problem(response, 500, "correlationId")
    assert response.json["correlationId"] == response.headers["X-Correlation-Id"]
    inside = ["never", "revision", "SELECT", "Traceback", "Error:", "sqlite", "psycopg", ".py"]
    assert not [word for word in inside if word in response.text]


# A store that is away


@contextmanager
def away(database: Database) -> Iterator[None]:
    """The store cannot be reached meanwhile."""
    if database.file:
        hidden = database.file.rename(database.file.with_suffix(".away"))
        try:
            yield
        finally:
            hidden.rename(database.file)
    else:
        with admin(database.url.set(database="postgres")) as server:
            server.execute(f"ALTER DATABASE {database.url.database} ALLOW_CONNECTIONS false")
            terminate(server, database.url)
            try:
                yield
            finally:
                server.execute(f"ALTER DATABASE {database.url.database} ALLOW_CONNECTIONS true")


def admin(url: URL) -> psycopg.Connection:
    """A connection past the service."""
    return psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True)


def terminate(server: psycopg.Connection, url: URL, condition: str = "pid <> pg_backend_pid()") -> int:
    """End the connections of a database, and wait until they have ended; how many there were."""
    return server.execute(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND {condition}",
        [url.database],
    ).rowcount


def test_503_while_the_store_is_away(customer: Api, database: Database) -> None:
    """While the store cannot be reached a call is 503 with Retry-After; nothing has changed when it is back."""
    before = customer("POST", WEBHOOK, json=BODY).headers["ETag"]
    with away(database):
        response = customer("PUT", WEBHOOK, json={"callbackUrl": URL_2})
        assert_problem(response, 503)
        assert int(response.headers["Retry-After"]) > 0
        assert customer("GET", WEBHOOK).status_code == 503
    after = customer("GET", WEBHOOK)
    assert (after.headers["ETag"], after.json["callbackUrl"]) == (before, URL_1)
    assert customer("PUT", WEBHOOK, json={"callbackUrl": URL_2}).status_code == 200


def test_401_while_the_store_is_away(customer: Api, database: Database) -> None:
    """A key that is malformed by itself is 401 also while nobody can ask the store; any other is 503."""
    key = str(customer.key)
    swapped = replace(customer, key=key[:-1] + ("0" if key[-1] != "0" else "1"))
    with away(database):
        for malformed in (swapped, replace(customer, key="x"), replace(customer, key=None)):
            assert_problem(malformed("GET", WEBHOOK), 401)
        assert_problem(customer("GET", WEBHOOK), 503)


@pytest.fixture
def impatient(app: Flask, database: Database) -> Iterator[None]:
    """The service waits for locks for a tenth of a second only."""
    parts = app.extensions["webhook_admin"]
    app.extensions["webhook_admin"] = replace(parts, database=Database(database.url, lock_seconds=0.1))
    yield
    app.extensions["webhook_admin"].database.close()
    app.extensions["webhook_admin"] = parts


def test_503_while_the_store_is_locked(impatient: None, customer: Api, database: Database) -> None:
    """A change that gets no lock in time is 503 and is not made later either; reading goes on meanwhile."""
    before = customer("POST", WEBHOOK, json=BODY).headers["ETag"]
    with database.transaction() as connection:
        connection.execute(update(webhooks).values(signing_secret=b""))
        assert_problem(customer("PUT", WEBHOOK, json={"callbackUrl": URL_2}), 503)
        assert customer("GET", WEBHOOK).headers["ETag"] == before
    assert customer("GET", WEBHOOK).headers["ETag"] == before
    assert customer("PUT", WEBHOOK, json={"callbackUrl": URL_2}).status_code == 200


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_dead_connections_are_noticed(customer: Api, platform: Api, database: Database) -> None:
    """After PostgreSQL has closed every connection, the very next request succeeds."""
    customer("POST", WEBHOOK, json=BODY)
    with admin(database.url) as server:
        assert terminate(server, database.url)
    assert customer("PUT", WEBHOOK, json={"callbackUrl": URL_2}).status_code == 200


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_503_when_the_connection_dies_under_way(customer: Api, database: Database) -> None:
    """A request whose connection is lost while its statement runs is 503, and has changed nothing."""
    before = customer("POST", WEBHOOK, json=BODY).headers["ETag"]
    with ThreadPoolExecutor() as pool, admin(database.url) as server, server.transaction():
        server.execute("LOCK TABLE webhooks")
        answer = pool.submit(customer, "PUT", WEBHOOK, json={"callbackUrl": URL_2})
        with admin(database.url) as other:
            wait_until(lambda: terminate(other, database.url, "wait_event_type = 'Lock'"))
        assert_problem(answer.result(10), 503)
    assert customer("GET", WEBHOOK).headers["ETag"] == before


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_503_from_a_standby(customer: Api, database: Database) -> None:
    """A PostgreSQL that only reads, as a standby does until it takes over, cannot take the work: 503."""
    customer("POST", WEBHOOK, json=BODY)
    with admin(database.url) as server:
        server.execute(f"ALTER DATABASE {database.url.database} SET default_transaction_read_only = on")
        terminate(server, database.url)
    assert_problem(customer("PUT", WEBHOOK, json={"callbackUrl": URL_2}), 503)
    assert customer("GET", WEBHOOK).json["callbackUrl"] == URL_1

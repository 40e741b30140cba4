"""Signing in with a key, and by a portal link; and how sessions end."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from tests.api import Api
from tests.engine import together
from tests.portal.portal_client import Browser
from webhook_admin import keys
from webhook_admin.db import Database
from webhook_admin.models import portal_sessions

LINKS = "/accounts/acme/portal-links"


def token_of(answer_json: dict[str, str]) -> str:
    """The token of a link."""
    return answer_json["url"].partition("token=")[2]


def test_a_key_opens_a_session(visitor: Browser, customer: Api, database: Database) -> None:
    """The cookie is for this site and not for scripts, and its token is stored as a hash."""
    answer = visitor.sign_in(customer.key)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/portal")
    name, _, rest = answer.headers["Set-Cookie"].partition("=")
    token, *attributes = rest.split("; ")
    assert (name, {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=28800"} <= set(attributes)) == ("portal", True)
    assert "acme" in visitor.get("/portal").text
    with database.connect() as connection:
        assert token.encode() not in (connection.scalar(portal_sessions.select()) or b"")


def test_over_tls_the_cookie_is_secure(visitor: Browser, customer: Api) -> None:
    """Browsers take it over TLS alone, and from this host alone."""
    answer = visitor.post("/portal/sign-in", data={"key": customer.key}, base_url="https://localhost")
    assert answer.headers["Set-Cookie"].startswith("__Host-portal=")
    assert "; Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_behind_a_proxy_the_setting_says_that_there_is_tls(
    environment: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """With `PUBLIC_URL`, cookies are secure and links begin with it."""
    environment.setenv("WEBHOOK_ADMIN_PUBLIC_URL", "https://hooks.example.com/status/")
    visitor, platform = request.getfixturevalue("visitor"), request.getfixturevalue("platform")
    request.getfixturevalue("customer")
    assert visitor.get("/portal/sign-in").headers["Set-Cookie"].startswith("__Host-portal=")
    url = platform("POST", LINKS, json={}).json["url"]
    assert url.startswith("https://hooks.example.com/status/portal/link?token=whpl_")


@pytest.mark.parametrize("key", ["", "nonsense", "whak_" + "0" * 32 + "_" + "a" * 52 + "00000000"])
def test_a_wrong_key_is_refused_in_words(visitor: Browser, customer: Api, key: str) -> None:
    """The form comes again, and says so; nobody is signed in."""
    answer = visitor.sign_in(key)
    assert answer.status_code == 401
    assert "There is no such key" in answer.text
    assert visitor.get("/portal").status_code == 303


def test_the_page_that_was_sought_comes_after_signing_in(visitor: Browser, customer: Api) -> None:
    """Also under a path prefix; an address elsewhere does not."""
    prefix = {"SCRIPT_NAME": "/hooks"}
    asked = visitor.get("/portal/deliveries?state=FAILED", environ_overrides=prefix)
    assert asked.headers["Location"] == "/hooks/portal/sign-in?sought=/portal/deliveries?state%3DFAILED"
    for sought, leads_to in (("/portal/deliveries?state=FAILED",) * 2, ("//evil.example.com/", "/portal")):
        data = {"key": customer.key, "sought": sought}
        answer = visitor.post("/portal/sign-in", data=data, environ_overrides=prefix)
        assert answer.headers["Location"] == f"/hooks{leads_to}"


def test_a_session_ends_with_its_key(acme: Browser, platform: Api) -> None:
    """With the next request after the revocation."""
    assert acme.get("/portal").status_code == 200
    (key,) = platform("GET", "/accounts/acme/keys").json["items"]
    platform("DELETE", f"/accounts/acme/keys/{key['id']}")
    assert acme.get("/portal").headers["Location"].startswith("/portal/sign-in")


def test_a_session_of_a_link_ends_with_the_key_that_made_it(
    read_only: Browser, platform: Api, database: Database
) -> None:
    """So that a platform key that was lost opens nothing more by links either."""
    unopened = token_of(platform("POST", LINKS, json={}).json)
    assert read_only.get("/portal").status_code == 200
    with database.transaction() as connection:
        keys.revoke(connection, keys.id_of(platform.key or ""))
    assert read_only.get("/portal").status_code == 303
    assert read_only.post("/portal/link", data={"token": unopened}).status_code == 410


@pytest.mark.parametrize("table", ["portal_sessions", "api_keys"])
def test_a_session_ends_with_its_time(acme: Browser, database: Database, table: str) -> None:
    """Its own, and that of its key."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    with database.connect() as connection:
        connection.execute(portal_sessions.metadata.tables[table].update().values(expires_at=past))
    assert acme.get("/portal").status_code == 303


def test_signing_out_ends_the_session(acme: Browser, app: Flask, customer: Api, database: Database) -> None:
    """For each browser that has the cookie."""
    with database.connect() as connection:
        assert len(connection.execute(portal_sessions.select()).all()) == 1
        assert acme.post("/portal/sign-out").status_code == 303
        assert connection.execute(portal_sessions.select()).all() == []
    assert acme.get("/portal").status_code == 303


def test_a_link_opens_the_page_once(visitor: Browser, app: Flask, customer: Api, platform: Api) -> None:
    """Looking at it uses up nothing, as programs that show previews do that; opening it leaves no token behind."""
    made = platform("POST", LINKS, json={}).json
    token = token_of(made)
    for _ in range(2):
        shown = visitor.get(f"/portal/link?token={token}")
        assert (shown.status_code, shown.headers["Referrer-Policy"]) == (200, "no-referrer")
    opened = visitor.post("/portal/link", data={"token": token})
    assert (opened.status_code, opened.headers["Location"]) == (303, "/portal")
    assert "acme" in visitor.get("/portal").text
    stranger = Browser(app.test_client())
    assert stranger.post("/portal/link", data={"token": token}).status_code == 410
    assert stranger.get(f"/portal/link?token={token}").status_code == 410
    assert stranger.get("/portal").status_code == 303
    stranger.client.set_cookie("portal", token)
    assert stranger.get("/portal").status_code == 303


def test_of_many_at_once_one_opens_a_link(app: Flask, customer: Api, platform: Api) -> None:
    """The first of them, and the others are told that it opens nothing any more."""
    token = token_of(platform("POST", LINKS, json={}).json)
    browsers = [Browser(app.test_client()) for _ in range(6)]
    answers = together(6, lambda place: browsers[place].post("/portal/link", data={"token": token}).status_code)
    assert sorted(answers) == [303, 410, 410, 410, 410, 410]


def test_a_link_opens_nothing_after_its_time(
    visitor: Browser, customer: Api, platform: Api, database: Database
) -> None:
    """One that has expired is as good as used."""
    token = token_of(platform("POST", LINKS, json={"expiresInSeconds": 60}).json)
    with database.connect() as connection:
        connection.execute(portal_sessions.update().values(expires_at=datetime.now(UTC)))
    assert visitor.post("/portal/link", data={"token": token}).status_code == 410


def test_what_has_expired_is_deleted(acme: Browser, customer: Api, platform: Api, database: Database) -> None:
    """By each sign-in and each new link: the table has an end."""
    makers: list[Callable[[], object]] = [lambda: platform("POST", LINKS, json={}), lambda: acme.sign_in(customer.key)]
    for make in makers:
        with database.connect() as connection:
            connection.execute(portal_sessions.update().values(expires_at=datetime.now(UTC)))
            make()
            assert len(connection.execute(portal_sessions.select()).all()) == 1


def test_links_and_sessions_go_with_the_account(
    read_only: Browser, visitor: Browser, acme: Browser, platform: Api
) -> None:
    """Also if it is made again with the same id."""
    token = token_of(platform("POST", LINKS, json={}).json)
    platform("DELETE", "/accounts/acme")
    platform("PUT", "/accounts/acme")
    assert visitor.post("/portal/link", data={"token": token}).status_code == 410
    assert [browser.get("/portal").status_code for browser in (read_only, acme)] == [303, 303]


def test_the_platform_chooses_an_account(platform: Api, customer: Api, make_browser: Callable[[Api], Browser]) -> None:
    """Its pages say whose they are; an account that is not there cannot be chosen."""
    browser = make_browser(platform)
    assert browser.get("/portal").headers["Location"] == "/portal/account"
    assert browser.post("/portal/account", data={"account_id": "nobody\x00"}).status_code == 404
    assert browser.post("/portal/account", data={"account_id": "acme"}).status_code == 303
    assert "the account <strong>acme</strong>" in browser.get("/portal").text


def test_customers_choose_none(acme: Browser, make_customer: Callable[[str], Api]) -> None:
    """The page is for the platform alone."""
    make_customer("globex")
    assert acme.get("/portal/account").status_code == 403
    assert acme.post("/portal/account", data={"account_id": "globex"}).status_code == 403
    assert "globex" not in acme.get("/portal").text


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_signing_in_is_limited(environment: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """After five tries in a second, from one address."""
    environment.setenv("WEBHOOK_ADMIN_RATE_LIMIT", "50")
    visitor = request.getfixturevalue("visitor")
    statuses = [visitor.sign_in("nonsense").status_code for _ in range(10)]
    assert statuses[:5] == [401] * 5
    assert 429 in statuses

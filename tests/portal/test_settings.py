"""Settings, signing and keys on the page: what is saved, what is shown once, and what is refused in words."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.api import URL_1, URL_2, WEBHOOK, Api
from tests.portal.portal_client import Browser
from webhook_admin import keys
from webhook_admin.dispatch import signing
from webhook_admin.events import Status
from webhook_admin.formats import FORMATS

ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
SETTINGS, SIGNING, KEYS = "/portal/settings", "/portal/signing", "/portal/keys"
EVIL = '"><script>alert(1)</script>'


def shown_once(html: str) -> str:
    """The secret on the page."""
    found = re.search(r'<pre id="secret"[^>]*>([^<]+)</pre>', html)
    assert found
    return found[1]


def register(customer: Api, **fields: str) -> str:
    """Make the webhook by the API; its signing secret."""
    return str(customer("POST", WEBHOOK, json={"callbackUrl": URL_1} | fields).json["signingSecret"])


def test_a_webhook_is_registered_and_changed(acme: Browser, customer: Api) -> None:
    """Its secret is shown once; a change shows none, and keeps what the form leaves out."""
    made = acme.post(SETTINGS, data={"callbackUrl": URL_1, "ordering": "message", "description": "  "})
    assert shown_once(made.text).startswith("whsec_")
    assert customer("GET", WEBHOOK).json.items() >= {"ordering": "message", "description": None}.items()
    saved = acme.post(SETTINGS, data={"callbackUrl": URL_2, "payloadFormat": "mta-v1", "description": "ours"})
    assert (saved.status_code, saved.headers["Location"]) == (303, f"{SETTINGS}?saved=1")
    webhook = customer("GET", WEBHOOK).json
    assert (webhook["callbackUrl"], webhook["payloadFormat"], webhook["ordering"]) == (URL_2, "mta-v1", "message")
    assert "whsec_" not in acme.get(SETTINGS).text


@ON_SQLITE
@pytest.mark.parametrize(
    "url", ["", "http://hooks.example.com/", "https://localhost/\x00", EVIL, "https://" + "a" * 3_000]
)
def test_a_bad_url_is_said_beside_its_field(acme: Browser, customer: Api, url: str) -> None:
    """The form keeps what was typed, harmless; nothing is saved."""
    answer = acme.post(SETTINGS, data={"callbackUrl": url, "description": "kept as typed"})
    assert answer.status_code == 400
    assert 'id="callbackUrl-fault"' in answer.text
    assert 'value="kept as typed"' in answer.text
    assert "<script>alert" not in answer.text
    assert customer("GET", WEBHOOK).status_code == 404


@ON_SQLITE
def test_a_change_of_somebody_elses_is_not_overwritten(acme: Browser, customer: Api) -> None:
    """Unless the form is sent again."""
    register(customer)
    etag = re.search(r'name="etag" value="(.+?)"', acme.get(SETTINGS).text)
    assert etag
    customer("PUT", WEBHOOK, json={"callbackUrl": URL_2})
    answer = acme.post(SETTINGS, data={"callbackUrl": URL_1, "etag": etag[1]})
    assert (answer.status_code, "has been changed since" in answer.text) == (412, True)
    assert customer("GET", WEBHOOK).json["callbackUrl"] == URL_2


@ON_SQLITE
@pytest.mark.parametrize("name", FORMATS)
def test_each_status_is_shown_in_the_format_that_is_chosen(acme: Browser, name: str) -> None:
    """Or that the format cannot express it; what else was typed stays."""
    html = acme.get(f"{SETTINGS}?payloadFormat={name}&callbackUrl={URL_2}").text
    assert f"<code>{name}</code>" in html
    assert f'value="{URL_2}"' in html
    shown = re.findall(r'id="example-(\w+)"', html)
    assert len(shown) + html.count("The format cannot express it.") == len(Status)
    assert "REJECTED" in shown


@ON_SQLITE
def test_deleting_needs_the_accounts_id(acme: Browser, customer: Api) -> None:
    """Typed as it is."""
    register(customer)
    for typed in ("", "ACME", "globex"):
        answer = acme.post(f"{SETTINGS}/delete", data={"account_id": typed})
        assert (answer.status_code, "Nothing has been deleted" in answer.text) == (400, True)
    assert acme.post(f"{SETTINGS}/delete", data={"account_id": "acme"}).status_code == 303
    assert customer("GET", WEBHOOK).status_code == 404
    assert "There is no webhook yet" in acme.post(f"{SETTINGS}/delete", data={"account_id": "acme"}).text


def test_a_rotation_overlaps_and_the_old_secret_is_revoked(acme: Browser, customer: Api) -> None:
    """A second rotation is refused in words while the first one's overlap runs."""
    first = register(customer)
    second = shown_once(acme.post(f"{SIGNING}/rotate", data={"overlap": 3600}).text)
    assert second != first
    assert "Revoke the old one now" in acme.get(SIGNING).text
    again = acme.post(f"{SIGNING}/rotate", data={"overlap": 0})
    assert (again.status_code, "Revoke it first" in again.text) == (409, True)
    assert acme.post(f"{SIGNING}/drop-previous").status_code == 303
    assert customer("GET", WEBHOOK).json["previousSecretExpiresAt"] is None
    assert "has stopped" in acme.post(f"{SIGNING}/rotate", data={"overlap": 0}).text
    assert acme.post(f"{SIGNING}/rotate", data={"overlap": 5}).status_code == 400


def signed(secret: str, body: str, seconds_ago: int = 0) -> str:
    """The headers of a notification, one in each line, as a browser sends them."""
    timestamp = int(datetime.now(UTC).timestamp()) - seconds_ago
    found = signing.headers([secret], "dlv_" + "0" * 32, timestamp, body.encode())
    return "\r\n".join(f"{name.title()}: {value}" for name, value in found.items())


@ON_SQLITE
def test_the_debugger_says_which_check_fails(acme: Browser, customer: Api) -> None:
    """A genuine one passes; a time, a line end and a missing header are each found."""
    secret = register(customer)
    genuine = signed(secret, '{"a":1}')

    def check(headers: str, body: str = '{"a":1}') -> tuple[list[str], str]:
        html = acme.post(f"{SIGNING}/verify", data={"headers": headers, "body": body}).text
        return re.findall(r'<li class="(passed|noted|failed|not-made)">', html), html

    results, html = check(genuine)
    assert (results, "It is genuine" in html) == (["passed", "passed", "noted", "passed", "passed"], True)
    assert check(signed(secret, '{"a":1}', 900))[0] == ["passed", "failed", "noted", "passed", "passed"]
    assert "It is genuine" in check(signed(secret, "{\n}"), "{\r\n}")[1]
    results, html = check(genuine, '{"a":1}\r\n')
    assert (results[3], "body_line_end_added" in html) == ("failed", True)
    results, html = check("webhook-id: x")
    assert results == ["failed", "not-made", "noted", "not-made", "not-made"]
    as_json = json.dumps(dict(line.split(": ") for line in genuine.split("\r\n")), indent=2)
    assert "It is genuine" in check(as_json)[1]
    assert "<script>" not in check(f"{EVIL}: {EVIL}\r\nwebhook-id: \x00{EVIL}", EVIL)[1].replace("<script src", "")


def test_the_platform_makes_and_revokes_keys(
    platform: Api, customer: Api, make_browser: Callable[[Api], Browser]
) -> None:
    """Each is shown once; a third active one is refused in words."""
    support = make_browser(platform)
    support.post("/portal/account", data={"account_id": "acme"})
    made = shown_once(support.post(KEYS, data={"name": EVIL}).text)
    assert Api(customer.client, made)("GET", WEBHOOK).status_code == 404
    html = support.get(KEYS).text
    assert made not in html
    assert "<script>alert" not in html
    third = support.post(KEYS, data={"name": "third"})
    assert (third.status_code, "two active keys" in third.text, 'value="third"' in third.text) == (409, True, True)
    assert support.post(f"{KEYS}/revoke", data={"key_id": keys.id_of(made)}).status_code == 303
    assert Api(customer.client, made)("GET", WEBHOOK).status_code == 401
    assert support.post(f"{KEYS}/revoke", data={"key_id": keys.id_of(made)}).status_code == 404


@ON_SQLITE
def test_customers_see_their_own_keys_and_change_none(
    acme: Browser, customer: Api, make_customer: Callable[[str], Api]
) -> None:
    """As in the API, where keys are the platform's."""
    other = keys.id_of(make_customer("globex").key or "")
    html = acme.get(KEYS).text
    assert (keys.id_of(customer.key or "") in html, other in html, "Revoke" in html) == (True, False, False)
    for path, data in ((KEYS, {"name": "mine"}), (f"{KEYS}/revoke", {"key_id": other})):
        assert acme.post(path, data=data).status_code == 403


@ON_SQLITE
def test_the_platform_revokes_no_key_of_another_account(
    platform: Api, customer: Api, make_browser: Callable[[Api], Browser], make_customer: Callable[[str], Api]
) -> None:
    """Only those of the account that is looked at."""
    other = make_customer("globex")
    support = make_browser(platform)
    support.post("/portal/account", data={"account_id": "acme"})
    assert support.post(f"{KEYS}/revoke", data={"key_id": keys.id_of(other.key or "")}).status_code == 404
    assert other("GET", WEBHOOK).status_code == 404


@ON_SQLITE
def test_who_may_look_finds_no_button(read_only: Browser, customer: Api) -> None:
    """The pages are there, and only what changes nothing can be pressed."""
    register(customer)
    for path in (SETTINGS, SIGNING, KEYS, "/portal/test"):
        html = read_only.get(path).text
        assert not set(re.findall(r"formaction=\"(.+?)\"", html))
        assert re.findall(r'<form method="post" action="(.+?)"', html) == ["/portal/sign-out"]

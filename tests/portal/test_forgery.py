"""What another site can make a browser send, and what a session that may look can do: over every form there is."""

from typing import Any

import pytest
from flask import Flask

from tests.api import Api
from tests.portal.portal_client import SAME_ORIGIN, Browser, form_token
from webhook_admin.app import create_app
from webhook_admin.config import Settings
from webhook_admin.portal import session

IDS = {"delivery_id": "dlv_" + "0" * 32}
OPEN = {"portal.sign_in.sign_in", "portal.sign_in.sign_out", "portal.link.open_link"}
OWN = {"Origin": "http://localhost"}


def rules() -> list[Any]:
    """The rules of all forms, and of whatever else may change something."""
    app = create_app(Settings.from_environment({}))
    return [
        rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("portal.") and (rule.methods or set()) - {*session.READING}
    ]


FORMS = [pytest.param(rule, id=rule.endpoint) for rule in rules()]


def address(app: Flask, rule: Any) -> str:
    """An address of the rule."""
    with app.test_request_context():
        return str(app.url_map.bind("localhost").build(rule.endpoint, {name: IDS[name] for name in rule.arguments}))


@pytest.mark.parametrize("rule", FORMS)
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_no_other_site_sends_a_form(app: Flask, acme: Browser, rule: Any) -> None:
    """Neither where the browser says where a request comes from, nor where it does not; the page's own form goes in."""
    path = address(app, rule)
    token = form_token(acme.get("/portal").text)
    for headers, data in (
        ({"Sec-Fetch-Site": "cross-site"}, {"form_token": token}),
        ({"Sec-Fetch-Site": "same-site", **OWN}, {"form_token": token}),
        ({"Origin": "http://evil.example.com"}, {"form_token": token}),
        ({"Origin": "null"}, {}),
        (OWN, {"form_token": token[::-1]}),
        (OWN, {}),
        ({}, {}),
    ):
        answer = acme.client.post(path, headers=headers, data=data)
        assert (answer.status_code, "not sent from a page of this service" in answer.text) == (403, True), headers
    assert acme.get("/portal").status_code == 200
    for headers in (SAME_ORIGIN, OWN):
        acme.client.set_cookie("portal", "another")
        data = {"form_token": form_token(acme.get("/portal/sign-in").text)} if headers is OWN else {}
        assert "not sent from a page" not in acme.client.post(path, headers=headers, data=data).text


@pytest.mark.parametrize("rule", [form for form in FORMS if form.id not in OPEN])
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_who_may_look_changes_nothing(app: Flask, read_only: Browser, rule: Any) -> None:
    """Each form is refused to a session of a link that was made for looking."""
    assert read_only.get("/portal").status_code == 200
    answer = read_only.post(address(app, rule))
    assert answer.status_code == 403


@pytest.mark.parametrize("rule", [form for form in FORMS if form.id not in OPEN])
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_nobody_changes_anything_without_a_session(app: Flask, visitor: Browser, rule: Any) -> None:
    """The form leads to the sign-in."""
    answer = visitor.post(address(app, rule))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/portal/sign-in")


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_plain_http_in_a_local_network_works(visitor: Browser, customer: Api, platform: Api) -> None:
    """Its browsers do not say where a request comes from: forms go by origin and token, and the link's by its token."""
    host = {"base_url": "http://192.168.1.20:8080"}
    headers = {"Origin": "http://192.168.1.20:8080"}
    token = form_token(visitor.client.get("/portal/sign-in", **host).text)
    data = {"key": customer.key, "form_token": token}
    assert visitor.client.post("/portal/sign-in", data=data, headers=headers, **host).status_code == 303
    link = platform("POST", "/accounts/acme/portal-links", json={}).json["url"].partition("token=")[2]
    token = form_token(visitor.client.get(f"/portal/link?token={link}", **host).text)
    data = {"token": link, "form_token": token}
    assert visitor.client.post("/portal/link", data=data, headers={"Origin": "null"}, **host).status_code == 303

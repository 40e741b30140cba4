"""Fixtures of the page's tests."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.api import Api
from tests.portal.portal_client import Browser


@pytest.fixture
def visitor(app: Flask) -> Browser:
    """A browser that has not signed in."""
    return Browser(app.test_client())


@pytest.fixture
def make_browser(app: Flask) -> Callable[[Api], Browser]:
    """Makes a browser that is signed in with a caller's key."""

    def make(caller: Api) -> Browser:
        browser = Browser(app.test_client())
        assert browser.sign_in(caller.key).status_code == 303
        return browser

    return make


@pytest.fixture
def acme(customer: Api, make_browser: Callable[[Api], Browser]) -> Browser:
    """A browser that is signed in with a key of the account `acme`."""
    return make_browser(customer)


@pytest.fixture
def read_only(app: Flask, customer: Api, platform: Api) -> Browser:
    """A browser that has opened a link to look at `acme`."""
    link = platform("POST", "/accounts/acme/portal-links", json={"access": "read"}).json["url"]
    browser = Browser(app.test_client())
    assert browser.post("/portal/link", data={"token": link.partition("token=")[2]}).status_code == 303
    return browser

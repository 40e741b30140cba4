"""Chromium, and a site for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.portal.browser.portal_browser import CHROMIUM, LAN, opened, sign_in
from tests.portal.portal_site import Site, running


@pytest.fixture(scope="module")
def site(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The service, on a store in which a day has happened."""
    with running(tmp_path_factory.mktemp("site"), sqlite_template) as site:
        yield site


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser."""
    options = ["--no-sandbox", f"--host-resolver-rules=MAP {LAN} 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, site: Site) -> Any:
    """What a browser keeps that has signed in to `acme`."""
    with opened(chromium) as page:
        sign_in(page, site.url, site.key)
        return page.context.storage_state()


@pytest.fixture
def page(chromium: Browser, signed_in: Any) -> Iterator[Page]:
    """A page that is signed in to `acme`."""
    with opened(chromium, storage_state=signed_in) as page:
        yield page

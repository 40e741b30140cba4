"""What the page's tests in a real browser do with it.

Each message of the console, each error of the script and each violation of the policy fails a test. With a folder in
PORTAL_SCREENSHOTS, the pages are kept there as pictures.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
# A host that is not localhost: over plain HTTP, browsers trust it less.
LAN = "webhooks.lan.example"
_REPORT_VIOLATIONS = "addEventListener('securitypolicyviolation', (e) => console.error('policy', e.blockedURI))"
_AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
_RUN_AXE = """
axe.run({resultTypes: ["violations"]})
  .then((found) => found.violations.map((each) => [each.impact, each.id, each.nodes.map((node) => node.html)]))
"""
_SCREENSHOTS = os.environ.get("PORTAL_SCREENSHOTS")
# axe sees each scheme and each width once, as it takes most of the time.
_SIZES: list[tuple[int, Any, bool]] = [
    (1280, "light", True),
    (390, "dark", True),
    (390, "light", False),
    (1280, "dark", False),
]


@contextmanager
def opened(chromium: Browser, but_for: str | None = None, **options: Any) -> Iterator[Page]:
    """A page of its own; what it complains about fails the test, but for complaints of this text."""
    given: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "timezone_id": "America/New_York"}
    context = chromium.new_context(**{**given, "locale": "en-IE", **options})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    if options.get("java_script_enabled", True):
        page.add_init_script(_REPORT_VIOLATIONS)
    page.set_default_timeout(10_000)
    yield page
    context.close()
    complaints = [complaint for complaint in complaints if but_for is None or but_for not in complaint]
    assert complaints == [], complaints


def sign_in(page: Page, url: str, key: str) -> None:
    """By the form."""
    page.goto(f"{url}/portal")
    page.fill("#key", key)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").wait_for()


def look(page: Page, name: str) -> None:
    """Fail if something is wider than the window, or axe finds something serious; keep pictures."""
    page.evaluate(_AXE)
    for width, scheme, by_axe in _SIZES:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        if by_axe:
            serious = [found for found in page.evaluate(_RUN_AXE) if found[0] in ("serious", "critical")]
            assert serious == [], (name, width, scheme)
        if _SCREENSHOTS:
            page.screenshot(path=Path(_SCREENSHOTS) / f"{name}-{width}-{scheme}.png", full_page=True)

"""The page in a real browser: wide and narrow, light and dark, by keyboard, with and without its script."""

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.engine import event
from tests.portal.browser.portal_browser import LAN, NEEDS_CHROMIUM, look, opened, sign_in
from tests.portal.portal_site import Site
from webhook_admin.models import deliveries
from webhook_admin.queue.accept import accept

pytestmark = NEEDS_CHROMIUM
PATHS = {
    "overview": "/portal",
    "deliveries": "/portal/deliveries?state=PENDING&state=FAILED&channel=SMS",
    "nothing-fits": "/portal/deliveries?status=READ&state=FAILED&until=2026-01-01T00:00",
    "resend": "/portal/deliveries/resend?state=FAILED",
    "test": "/portal/test",
    "settings": "/portal/settings",
    "signing": "/portal/signing",
    "api-keys": "/portal/keys",
    "resent": "/portal/deliveries/resent?count=30",
}


def test_every_page_at_every_size(chromium: Browser, page: Page, site: Site) -> None:
    """Nothing is wider than the window, and axe finds nothing serious."""
    for name, path in PATHS.items():
        page.goto(f"{site.url}{path}")
        look(page, name)
    page.goto(f"{site.url}/portal/deliveries?state=FAILED")
    page.locator("a.id").first.click()
    page.locator("summary").first.click()
    look(page, "delivery")
    with opened(chromium) as stranger:
        stranger.goto(f"{site.url}/portal")
        look(stranger, "sign-in")


def test_by_keyboard_alone(page: Page, site: Site) -> None:
    """From the overview to a delivery's answer; where the focus is can be seen."""
    press = page.keyboard.press

    def tab_to(name: str) -> None:
        for _ in range(40):
            press("Tab")
            focused = page.evaluate(
                "(() => { const at = document.activeElement; return [(at.labels?.[0] ?? at).textContent.trim(), "
                "getComputedStyle(at).outlineStyle]; })()"
            )
            assert focused[1] != "none", focused
            if focused[0] == name:
                return
        pytest.fail(f"{name} is not reached")

    page.goto(f"{site.url}/portal")
    tab_to("Skip to the content")
    tab_to("Deliveries")
    press("Enter")
    page.wait_for_url("**/portal/deliveries")
    tab_to("Failed")
    press("Space")
    press("Enter")
    page.wait_for_url("**/portal/deliveries?state=FAILED")
    tab_to("msg_87")
    press("Enter")
    page.get_by_role("heading", name="Its way").wait_for()
    tab_to("Answer 503 after 210 ms")
    press("Enter")
    assert page.locator("details[open] pre").count() == 1
    assert page.title() == "Delivery of msg_87 · Webhooks"


def test_times_are_the_readers(page: Page, site: Site) -> None:
    """With UTC beside them; times of the filter are the reader's, too, and the list is that of the same moments."""
    page.goto(f"{site.url}/portal/deliveries?until=2026-01-31T17:30:00Z")
    assert page.input_value("#until") == "2026-01-31T12:30"
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/portal/deliveries?until=2026-01-31T17%3A30%3A00.000Z")
    page.goto(f"{site.url}/portal/deliveries")
    time = page.locator("time").first
    moment = datetime.fromisoformat(time.get_attribute("datetime") or "")
    local = (moment.hour - 5) % 24
    assert f" {local:02}:{moment:%M:%S}" in time.inner_text()
    assert f"{moment:%H:%M:%S} UTC" in time.locator(".utc").inner_text()


def test_what_is_open_is_kept_up_to_date(chromium: Browser, signed_in: Any, site: Site) -> None:
    """Every 3 s, without losing the focus and what is unfolded; not while something is selected."""
    with opened(chromium, storage_state=signed_in) as page:
        page.clock.install()
        page.goto(f"{site.url}/portal/deliveries?status=SENT")
        first = page.locator("a.id").nth(1)
        text = first.inner_text()
        first.focus()
        page.evaluate("getSelection().selectAllChildren(document.querySelector('td'))")
        add(site, 1_000)
        with page.expect_response("**/portal/deliveries?status=SENT"):
            page.clock.run_for(3_000)
        page.evaluate("new Promise(requestAnimationFrame)")
        assert page.get_by_text("msg_1000", exact=True).count() == 0
        page.evaluate("getSelection().removeAllRanges()")
        page.clock.run_for(3_000)
        page.get_by_text("msg_1000", exact=True).wait_for()
        assert page.evaluate("document.activeElement.textContent.trim()") == text


def add(site: Site, number: int) -> None:
    """Let the platform report something."""
    with site.database.transaction() as transaction:
        accept(transaction, [event(number, status="SENT")], datetime.now(UTC))


def test_a_resend_is_queued_and_seen(page: Page, site: Site) -> None:
    """It says so in the delivery's way, and goes on from there."""
    with site.database.transaction() as transaction:
        rows = transaction.execute(deliveries.select().where(deliveries.c.state == "FAILED")).all()
        id_ = rows[-1].id
    page.goto(f"{site.url}/portal/deliveries/{id_}")
    page.get_by_role("button", name="Resend").click()
    page.get_by_text("Resent: queued again").wait_for()
    assert page.locator(".badge.pending").count() == 1


def test_a_copy_of_the_request(chromium: Browser, signed_in: Any, site: Site) -> None:
    """As a command on the clipboard, exactly as it is shown."""
    permissions = ["clipboard-read", "clipboard-write"]
    with opened(chromium, permissions=permissions, storage_state=signed_in) as page:
        page.goto(f"{site.url}/portal/deliveries?state=DELIVERED")
        page.locator("a.id").first.click()
        page.get_by_role("button", name="Copy as curl").click()
        page.get_by_role("button", name="Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == page.locator("#curl").text_content()


def test_without_the_script(chromium: Browser, site: Site) -> None:
    """Signing in, filtering, and resending what is filtered, with a count before."""
    with opened(chromium, java_script_enabled=False) as page:
        sign_in(page, site.url, site.key)
        page.get_by_role("link", name="Deliveries").click()
        page.get_by_label("Failed", exact=True).check()
        page.get_by_label("Message id").fill("msg_7")
        page.get_by_role("button", name="Filter").click()
        page.get_by_role("link", name="Resend…").click()
        page.get_by_role("button", name="Resend 1").click()
        page.get_by_text("1 delivery is queued again").wait_for()


def test_over_plain_http_in_a_local_network(chromium: Browser, site: Site) -> None:
    """There, browsers do not say where a request comes from: forms work all the same, that of a link, too."""
    url = site.url.replace("127.0.0.1", LAN)
    with opened(chromium) as page:
        sign_in(page, url, site.platform_key)
        page.get_by_label("Account id").fill("acme")
        page.keyboard.press("Enter")
        page.get_by_text("You are looking at the account").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Sign in").wait_for()
        page.goto(site.link(LAN))
        page.get_by_role("button", name="Open the page").click()
        page.get_by_text("View only").wait_for()
        assert page.url == f"{url}/portal"


def test_an_account_without_anything(chromium: Browser, site: Site) -> None:
    """Its pages say so."""
    with opened(chromium) as page:
        sign_in(page, site.url, site.empty_key)
        page.get_by_text("No URL is registered yet").wait_for()
        page.get_by_role("link", name="Deliveries").click()
        page.get_by_role("heading", name="Nothing yet").wait_for()
        look(page, "nothing-yet")


def test_mistakes_are_pages(chromium: Browser, signed_in: Any, site: Site) -> None:
    """A browser says in its console that a page is an error: that is the only complaint."""
    with opened(chromium, "the server responded with a status of 4", storage_state=signed_in) as page:
        for name, path in (("mistake", "deliveries?since=yesterday"), ("missing", "nowhere")):
            page.goto(f"{site.url}/portal/{path}")
            look(page, name)

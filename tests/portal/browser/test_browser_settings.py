"""From nothing to a tested webhook in a real browser, signing, and the pages of the platform's support."""

import re
from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import Browser, Page

from tests.engine import Configure
from tests.portal.browser.portal_browser import NEEDS_CHROMIUM, look, opened, sign_in
from tests.portal.portal_site import Site
from tests.processes import Process
from tests.receiver import Receiver, answer
from tests.waiting import wait_until

pytestmark = NEEDS_CHROMIUM
ACCOUNT = "/portal/account"


@pytest.fixture
def up(configure: Configure, start: Callable[..., Process]) -> tuple[str, str]:
    """The whole service with the account `acme`, which has nothing yet: its URL and the account's key."""
    configure()
    service = start("up")
    key = re.search(r"KEY=(whpk_\w+)", service.log.read_text())
    assert key
    headers = {"X-API-Key": key[1]}
    requests.put(f"{service.url}/accounts/acme", headers=headers, timeout=10).raise_for_status()
    made = requests.post(f"{service.url}/accounts/acme/keys", headers=headers, timeout=10)
    return service.url, made.json()["key"]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_from_nothing_to_a_tested_webhook(chromium: Browser, up: tuple[str, str], receiver: Receiver) -> None:
    """A URL is tried, what came of it is seen without reloading, and it is saved; the debugger knows its signature."""
    failing, working = receiver.url("/old", answer(500)), receiver.url("/hook")
    with opened(chromium) as page:
        sign_in(page, *up)
        page.get_by_role("link", name="Test").click()
        page.get_by_label("URL").fill(failing)
        page.get_by_label("URL").press("Enter")
        page.get_by_role("heading", name="It has not arrived").wait_for()
        page.get_by_label("URL").fill(working)
        page.get_by_label("Payload format").select_option("mta-v1")
        page.locator("#request pre", has_text=f"POST {working}").wait_for()
        page.get_by_role("button", name="Send").click()
        page.get_by_role("heading", name="It has arrived").wait_for()
        page.get_by_role("button", name="Save this URL and format").click()
        assert page.locator("#secret").inner_text().startswith("whsec_")
        page.get_by_role("link", name="I have it").click()
        page.get_by_role("button", name="Send").click()
        wait_until(lambda: len(receiver.requests) == 3)
        sent = receiver.requests[-1]
        page.get_by_role("link", name="Signing").click()
        page.get_by_label("Headers").fill("\n".join(f"{name}: {value}" for name, value in sent.headers.items()))
        page.get_by_label("Body").fill(sent.body.decode())
        page.get_by_role("button", name="Check it").click()
        page.get_by_text("It is genuine").wait_for()
        assert page.evaluate("document.activeElement.id") == "verdict"
        assert page.locator(".checks .delivered").count() == 5


def tab_to(page: Page, name: str) -> None:
    """Go on with the keyboard to a button or field."""
    for _ in range(60):
        page.keyboard.press("Tab")
        at = "(() => { const at = document.activeElement; return (at.labels?.[0] ?? at).textContent.trim(); })()"
        if page.evaluate(at) == name:
            return
    pytest.fail(f"{name} is not reached")


def test_settings_by_keyboard_alone(chromium: Browser, site: Site) -> None:
    """Registering with a format that is shown as it is chosen, rotating, revoking, and deleting."""
    typed = "https://hooks.example.com/ours"
    with opened(chromium) as page:
        sign_in(page, site.url, site.empty_key)
        page.get_by_role("link", name="Settings").click()
        tab_to(page, "Callback URL")
        page.keyboard.type(typed)
        tab_to(page, "Payload format")
        page.keyboard.type("routee")
        page.locator("#preview h2", has_text="routee").wait_for()
        assert page.input_value("#callbackUrl") == typed
        tab_to(page, "Register")
        page.keyboard.press("Enter")
        page.locator("#secret").wait_for()
        page.goto(f"{site.url}/portal/signing")
        tab_to(page, "Make a new secret")
        page.keyboard.press("Enter")
        page.get_by_text("notifications have two signatures").wait_for()
        page.goto(f"{site.url}/portal/signing")
        tab_to(page, "Revoke the old one now")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Make a new secret").wait_for()
        page.goto(f"{site.url}/portal/settings")
        tab_to(page, "The account's id, fresh, to confirm")
        page.keyboard.type("fresh")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Register your webhook").wait_for()


def test_settings_without_the_script(chromium: Browser, site: Site) -> None:
    """Buttons show the format and the request, and reload what came of a test."""
    url = "https://hooks.example.com/ours"
    with opened(chromium, java_script_enabled=False) as page:
        sign_in(page, site.url, site.empty_key)
        page.get_by_role("link", name="Settings").click()
        page.get_by_label("Callback URL").fill(url)
        page.get_by_label("Payload format").select_option("insider")
        page.get_by_role("button", name="Show the format").click()
        page.locator("#preview h2", has_text="insider").wait_for()
        assert "form_token" not in page.url
        page.get_by_role("button", name="Test it first").click()
        page.locator("#request pre", has_text=f"POST {url}").wait_for()
        page.get_by_role("button", name="Send").click()
        page.get_by_role("link", name="See what has come of it").click()
        page.get_by_role("heading", name="Queued").wait_for()


def test_every_page_of_support(chromium: Browser, site: Site) -> None:
    """Nothing is wider than the window, and axe finds nothing serious; a message leads to its delivery."""
    with opened(chromium) as page:
        sign_in(page, site.url, site.platform_key)
        for name, path in {"accounts": "", "failing": "/webhooks/failing", "disabled": "/webhooks/disabled"}.items():
            page.goto(f"{site.url}{ACCOUNT}{path}")
            look(page, name)
        page.get_by_label("Message id").fill("msg_87")
        page.get_by_role("button", name="Find the message").click()
        page.get_by_role("button", name="Open").wait_for()
        look(page, "messages")
        page.get_by_role("textbox", name="Recipient").fill("+353861234567")
        page.get_by_role("button", name="Find the recipient").click()
        page.get_by_role("button", name="Open").or_(page.get_by_text("No message")).first.wait_for()
        look(page, "recipients")
        page.go_back()
        page.get_by_role("button", name="Open").click()
        page.get_by_text("You are looking at the account").wait_for()
        page.get_by_role("link", name="API keys").click()
        page.get_by_role("button", name="Make a key").wait_for()
        look(page, "api-keys-of-support")
        for name, path in {"guides": "", "guide": "/customers"}.items():
            page.goto(f"{site.url}/guides{path}")
            look(page, name)

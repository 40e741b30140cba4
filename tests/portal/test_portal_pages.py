"""What all pages have in common."""

import pytest

from tests.api import Api
from tests.portal.portal_client import Browser
from webhook_admin.db import Database
from webhook_admin.portal.pages import PAGES

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.mark.parametrize("path", ["", "/deliveries", "/sign-in", "/link", "/nowhere", "/static/portal.css", "/account"])
def test_every_answer_is_restricted(acme: Browser, path: str) -> None:
    """Pages, files and errors alike: nothing from elsewhere, and no frame."""
    answer = acme.get(f"/portal{path}", buffered=True)
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Referrer-Policy"] in {"same-origin", "no-referrer"}


def test_under_a_path_prefix_every_link_stays_there(acme: Browser) -> None:
    """The navigation, the style sheet and the script."""
    html = acme.get("/portal", environ_overrides={"SCRIPT_NAME": "/hooks"}).text
    assert 'href="/hooks/portal/static/portal.css"' in html
    assert 'href="/portal' not in html
    assert 'action="/portal' not in html


def test_the_navigation_marks_where_one_is(acme: Browser) -> None:
    """And has no page of the platform's for a customer."""
    html = acme.get("/portal/deliveries").text
    assert 'href="/portal/deliveries" aria-current="page"' in html
    assert html.count("aria-current") == 1
    assert "Accounts" in {page.title for page in PAGES}
    assert ">Accounts<" not in html


def test_a_store_that_is_away_is_a_page(acme: Browser, database: Database, customer: Api) -> None:
    """In words, with the time to come back."""
    assert database.file
    database.file.rename(database.file.with_suffix(".away"))
    answer = acme.get("/portal")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "cannot reach its store" in answer.text
    assert answer.content_type.startswith("text/html")

"""/docs: the API documentation, which needs nothing but this service and lets nothing else in."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest

from tests.api import Api

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


class Page(HTMLParser):
    """What an HTML page loads, and what it brings along of its own."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = dict(attributes)
        self.loads += [value for name in ("src", "href") if (value := names.get(name))]
        self.inline += [name for name in names if name == "style" or name.startswith("on")]
        self.inline += [tag] if tag == "style" or (tag == "script" and "src" not in names) else []


@pytest.fixture
def page(anyone: Api) -> Page:
    """The page at /docs."""
    return Page(anyone("GET", "/docs").text)


@pytest.mark.parametrize("prefix", ["", "/hooks"])
@pytest.mark.parametrize(("path", "leads_to"), [("/", "/portal"), ("/docs/", "/docs")])
def test_each_page_has_one_address(anyone: Api, prefix: str, path: str, leads_to: str) -> None:
    """The service's first page is the one for people, also behind a path prefix."""
    answer = anyone("GET", path, environ_overrides={"SCRIPT_NAME": prefix})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{prefix}{leads_to}")


def test_try_it_out_keeps_a_path_prefix(anyone: Api) -> None:
    """The calls go to where the document has come from, under whatever prefix."""
    (server,) = anyone("GET", "/openapi.json").json["servers"]
    for base in ("https://api.example.com/", "https://example.com/hooks/"):
        assert urljoin(f"{base}openapi.json", server["url"]) == base


def test_everything_it_loads_is_served_here(anyone: Api, page: Page) -> None:
    """Whatever the page refers to comes from this service."""
    assert page.loads
    for reference in [*page.loads, "openapi.json"]:
        assert not urlsplit(reference).netloc
        answer = anyone("GET", urljoin("/docs", reference), buffered=True, follow_redirects=True)
        assert answer.status_code == 200


def test_the_style_sheet_loads_nothing(anyone: Api) -> None:
    """Its images stand in the style sheet itself; the other one's is this service's."""
    style_sheet = anyone("GET", "/docs/swagger-ui.css", buffered=True).text
    assert "@import" not in style_sheet
    assert set(re.findall(r"url\([\"']?(\w+:)?", style_sheet)) == {"data:"}
    own = anyone("GET", "/docs/docs.css").text
    (image,) = re.findall(r"url\(\"(.+?)\"", own)
    assert anyone("GET", urljoin("/docs/docs.css", image), buffered=True).status_code == 200


def test_no_script_or_style_stands_in_the_page(page: Page) -> None:
    """So that the policy can forbid what an attacker might bring in."""
    assert page.inline == []


@pytest.mark.parametrize("path", ["/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js"])
def test_the_policy_is_strict(anyone: Api, path: str) -> None:
    """The browser loads and runs nothing but what this service has sent as a file, and shows it in no other page."""
    directives = anyone("GET", path, buffered=True).headers["Content-Security-Policy"].split("; ")
    policy = {name: set(sources) for name, *sources in map(str.split, directives)}
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == {"'none'"}
    assert policy.pop("img-src") == {"'self'", "data:"}
    assert set().union(*policy.values()) == {"'self'", "'none'"}


@pytest.mark.parametrize(
    "path",
    [
        "/docs/../__init__.py",
        "/docs/%2e%2e/__init__.py",
        "/docs/..%2f__init__.py",
        "/docs/..%5c__init__.py",
        "/docs//etc/passwd",
        "/docs/%2fetc%2fpasswd",
        "/docs/no-such-file",
        "/docs/oauth2-redirect.html",
    ],
)
def test_no_other_file_can_be_read(anyone: Api, path: str) -> None:
    """A path under /docs/ does not lead out of its folder."""
    assert anyone("GET", path, buffered=True).status_code == 404

"""/guides: the guides as pages, which need nothing but this service and let nothing else in."""

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest

from tests.api import Api
from webhook_admin.web import guides

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
PATHS = ["/guides", *(f"/guides/{name}" for name in guides.NAMES)]


class Page(HTMLParser):
    """The links and loads of an HTML page, its anchors, and its inline styles and scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = dict(attributes)
        self.tags.add(tag)
        self.references += [value for name in ("src", "href") if (value := names.get(name))]
        self.ids += [value for value in [names.get("id")] if value]
        self.inline += [name for name in names if name == "style" or name.startswith("on")]
        self.inline += [tag] if tag in ("style", "script") else []


@pytest.mark.parametrize("prefix", ["", "/hooks"])
@pytest.mark.parametrize("path", PATHS)
def test_every_reference_leads_somewhere(anyone: Api, path: str, prefix: str) -> None:
    """Pages, the style sheet and anchors are there, also behind a path prefix; other hosts are named by https links."""
    html = anyone("GET", path, environ_overrides={"SCRIPT_NAME": prefix}).text
    page = Page(html)
    assert "main" in page.tags
    for reference in page.references:
        target = urlsplit(urljoin(f"http://localhost{prefix}{path}", reference))
        if target.netloc != "localhost":
            assert target.scheme == "https"
            continue
        assert target.path.startswith(f"{prefix}/")
        answer = anyone("GET", target.path.removeprefix(prefix), buffered=True, follow_redirects=True)
        assert answer.status_code == 200, reference
        assert not target.fragment or target.fragment in Page(answer.text).ids, reference


@pytest.mark.parametrize("path", PATHS)
def test_no_script_or_style_stands_in_a_page(anyone: Api, path: str) -> None:
    """So that the policy can forbid what an attacker might bring in."""
    assert Page(anyone("GET", path).text).inline == []


@pytest.mark.parametrize("path", [*PATHS, "/guides/guides.css", "/guides/"])
def test_the_policy_is_strict(anyone: Api, path: str) -> None:
    """The browser loads this service's style sheets and icon alone, runs nothing, and shows it in no other page."""
    answer = anyone("GET", path)
    directives = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert directives.pop("style-src") == directives.pop("img-src") == "'self'"
    assert directives.keys() == {"default-src", "base-uri", "form-action", "frame-ancestors"}
    assert set(directives.values()) == {"'none'"}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_index_names_every_guide(anyone: Api) -> None:
    """With its title and what it is about."""
    html = anyone("GET", "/guides").text
    for name in guides.NAMES:
        assert f'<a href="guides/{name}">{guides.guide(name).title}</a>' in html
        assert guides.guide(name).about in html


def test_the_index_has_one_address(anyone: Api) -> None:
    """Relative links would be wrong behind another."""
    answer = anyone("GET", "/guides/", environ_overrides={"SCRIPT_NAME": "/hooks"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/hooks/guides")


def test_tables_and_code_are_rendered(anyone: Api) -> None:
    """As elements, and not as their Markdown."""
    page = Page(anyone("GET", "/guides/customers").text)
    assert {"table", "td", "pre", "code", "h2", "ul"} <= page.tags


def test_raw_html_is_shown_as_text(
    anyone: Api, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A guide cannot bring in a script, nor a link that runs one."""
    folder = tmp_path_factory.mktemp("guides")
    (folder / "evil.md").write_text("# <b>T</b>\n\n<script>alert(1)</script> [x](javascript:alert(1))\n")
    monkeypatch.setattr(guides, "_FOLDER", folder)
    evil = guides.guide.__wrapped__("evil")
    page = Page(evil.html)
    assert page.tags == {"h1", "p"}
    assert evil.title == "<b>T</b>"


def test_a_guide_is_rendered_once(anyone: Api) -> None:
    """Later requests of the process take it from memory."""
    for _ in range(2):
        assert anyone("GET", "/guides/customers").status_code == 200
    assert guides.guide("customers") is guides.guide("customers")


@pytest.mark.parametrize("path", ["/guides/no", "/guides/customers.md", "/guides/../app.py", "/guides/%2e%2e/app.py"])
def test_no_other_file_can_be_read(anyone: Api, path: str) -> None:
    """Only the guides, by their names."""
    assert anyone("GET", path).status_code == 404

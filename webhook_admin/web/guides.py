"""/guides: the guides as pages, written from the Markdown files in the package that are also read as files."""

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple

from flask import Blueprint, Response, current_app, redirect, url_for
from flask.typing import ResponseReturnValue
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_FOLDER = files("webhook_admin") / "guides"
# In the order in which they are listed.
NAMES = ("customers", "formats", "platform", "operations", "contributing")
_GUIDE = f"<any({', '.join(map(repr, NAMES))}):name>"
_PAGE = Markup("""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<meta name="color-scheme" content="light dark">
<link rel="icon" href="{base}portal/static/icon.svg">
<link rel="stylesheet" href="{base}portal/static/portal.css">
<link rel="stylesheet" href="{base}guides/guides.css">
<header>
<div class="bar">
<a class="brand" href="{base}portal">Webhooks</a>
<nav aria-label="Pages">{links}</nav>
</div>
</header>
<main>
{body}</main>
</html>
""")
_LINK = Markup('<a href="{base}{path}">{text}</a>')
_LISTED = Markup("<h2>{link}</h2>\n<p>{about}</p>\n")
_OTHERS = (("docs", "API"), ("guides", "Guides"))
# No script and nothing of another host: style sheets and the icon are files of this service.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# What GitHub leaves out of the anchor of a heading.
_NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")
_WITH_TEXT = {"text", "code_inline", "softbreak"}
# Raw HTML is shown as text.
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
blueprint = Blueprint("guides", __name__)


class Guide(NamedTuple):
    """A guide's title, the first paragraph as text, and the whole as HTML."""

    title: str
    about: str
    html: Markup


@cache
def guide(name: str) -> Guide:
    """Read and render a guide, once in each process."""
    tokens = _markdown.parse((_FOLDER / f"{name}.md").read_text("utf-8"))
    texts = [token for token in tokens if token.type == "inline"]
    _add_anchors(tokens)
    _point_links_to_pages(texts)
    html = _markdown.renderer.render(tokens, _markdown.options, {})
    return Guide(_text(texts[0]), _text(texts[1]), Markup(html))  # noqa: S704  markdown-it escapes raw HTML


def _add_anchors(tokens: Sequence[Token]) -> None:
    """Give each heading the anchor that GitHub gives it, so that links to it work in both places."""
    for heading, inline in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrs["id"] = _NOT_IN_ANCHOR.sub("", _text(inline).lower()).replace(" ", "-")


def _point_links_to_pages(texts: Sequence[Token]) -> None:
    """Turn `formats.md#routee`, a file beside this one, into `formats#routee`, a page beside this one."""
    for link in (child for text in texts for child in text.children or () if child.type == "link_open"):
        file, _, anchor = str(link.attrs["href"]).partition("#")
        if file.removesuffix(".md") in NAMES:
            link.attrs["href"] = file.removesuffix(".md") + (anchor and f"#{anchor}")


def _text(inline: Token) -> str:
    return "".join(child.content or " " for child in inline.children or () if child.type in _WITH_TEXT)


@blueprint.get("/guides/")
def home() -> ResponseReturnValue:
    return redirect(url_for("guides.index"))


@blueprint.get("/guides")
def index() -> Response:
    listed = [_LISTED.format(link=_link("", name, guide(name).title), about=guide(name).about) for name in NAMES]
    return _page("Guides", "", Markup("<h1>Guides</h1>\n") + Markup().join(listed))


@blueprint.get(f"/guides/{_GUIDE}")
def page(name: str) -> Response:
    return _page(guide(name).title, "../", guide(name).html)


@blueprint.get("/guides/guides.css")
def style_sheet() -> Response:
    return current_app.response_class((_FOLDER / "guides.css").read_text(), mimetype="text/css")


@blueprint.after_request
def restrict(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    return response


def _page(title: str, base: str, body: Markup) -> Response:
    """A page; `base` is the relative way to the service's root, which holds under any path prefix."""
    links = [_LINK.format(base=base, path=path, text=text) for path, text in _OTHERS]
    links += [_link(base, name, name.capitalize()) for name in NAMES]
    text = _PAGE.format(title=title, base=base, links=Markup("\n").join(links), body=body)
    return current_app.response_class(text, mimetype="text/html")


def _link(base: str, name: str, text: str) -> Markup:
    return _LINK.format(base=base, path=f"guides/{name}", text=text)

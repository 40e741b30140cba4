"""/docs: the OpenAPI document as pages to read and to try out, with nothing loaded from elsewhere."""

from importlib.resources import files

from flask import Blueprint, Response, current_app, redirect, send_from_directory, url_for
from flask.typing import ResponseReturnValue

_ASSETS = str(files("flask_swagger_ui") / "dist")
_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>API · Webhooks</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="stylesheet" href="docs/docs.css">
<link rel="icon" href="portal/static/icon.svg">
<header>
<a class="brand" href="portal">Webhooks</a>
<nav aria-label="Pages"><a href="docs" aria-current="page">API</a> <a href="guides">Guides</a></nav>
</header>
<main id="swagger-ui"></main>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""
# The header of the page at /portal. Its style sheet would dress Swagger UI's own buttons and tables, too.
_STYLE = """:root { color-scheme: light; }
body { margin: 0; background: #f6f7f9; font: 0.9375rem/1.5 system-ui, sans-serif; }
header { display: flex; align-items: center; gap: 1.5rem; min-height: 3.5rem; padding: 0 1.25rem; background: #fff;
  border-bottom: 1px solid #dfe3ea; }
header a { color: #586070; text-decoration: none; }
header nav { display: flex; gap: 1.25rem; }
header nav a[aria-current] { color: #1a1d24; font-weight: 550; }
header .brand { padding-left: 2rem; background: url("../portal/static/icon.svg") left center / 1.5rem no-repeat;
  color: #1a1d24; font-weight: 650; }
"""
# Images in the style sheet are data: URLs. Nothing comes from another host, and no script or style stands in the page.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
blueprint = Blueprint("docs", __name__)


@blueprint.get("/docs/")
def home() -> ResponseReturnValue:
    return redirect(url_for("docs.page"))


@blueprint.get("/docs")
def page() -> Response:
    return current_app.response_class(_PAGE, mimetype="text/html")


@blueprint.get("/docs/docs.css")
def style_sheet() -> Response:
    return current_app.response_class(_STYLE, mimetype="text/css")


@blueprint.get("/docs/start.js")
def start() -> Response:
    return current_app.response_class(_START, mimetype="text/javascript")


@blueprint.get("/docs/<any('swagger-ui.css', 'swagger-ui-bundle.js'):name>")
def asset(name: str) -> Response:
    return send_from_directory(_ASSETS, name)


@blueprint.after_request
def restrict(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    return response

"""/docs: the OpenAPI document as pages to read and to try out, with nothing loaded from elsewhere."""

from importlib.resources import files

from flask import Blueprint, Response, current_app, redirect, send_from_directory, url_for
from flask.typing import ResponseReturnValue

_ASSETS = str(files("flask_swagger_ui") / "dist")
_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>webhook_admin API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="docs/favicon-32x32.png">
<nav><a href="guides">Guides</a></nav>
<div id="swagger-ui"></div>
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
# Images in the style sheet are data: URLs. Nothing comes from another host, and no script or style stands in the page.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
blueprint = Blueprint("docs", __name__)


@blueprint.get("/")
@blueprint.get("/docs/")
def home() -> ResponseReturnValue:
    return redirect(url_for("docs.page"))


@blueprint.get("/docs")
def page() -> Response:
    return current_app.response_class(_PAGE, mimetype="text/html")


@blueprint.get("/docs/start.js")
def start() -> Response:
    return current_app.response_class(_START, mimetype="text/javascript")


@blueprint.get("/docs/<any('swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'):name>")
def asset(name: str) -> Response:
    return send_from_directory(_ASSETS, name)


@blueprint.after_request
def restrict(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    return response

"""Every error as `application/problem+json` (RFC 9457)."""

from typing import Any

import structlog
from flask import Flask, Response, current_app, g, json, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound, RequestEntityTooLarge

from webhook_admin import errors
from webhook_admin.web.problem_bodies import http_problem, problem

log = structlog.get_logger()

REFUSAL = "webhook_admin.refusal"
"""The key of an environ under which a server leaves an `HTTPException` that is the answer to the request."""
HEADERS = {
    401: {"WWW-Authenticate": 'Bearer realm="webhook-admin"'},
    429: {"Retry-After": "1"},
    503: {"Retry-After": "5"},
}


NOT_JSON = "The body must be JSON, sent with Content-Type: application/json."
NOT_IN_TIME = "The body was not complete within 10 s."
FAILED = "The service has failed. Its log says why under this correlation id."

EXAMPLES = {
    408: http_problem(408, NOT_IN_TIME),
    413: http_problem(413, RequestEntityTooLarge.description),
    415: http_problem(415, NOT_JSON),
    500: http_problem(500, FAILED) | {"correlationId": "0199c7a2b6f07d3e8a51c04f6e2b9d18"},
}


class _Json(DefaultJSONProvider):
    # As the schemas have them: what is asked for most comes first.
    sort_keys = False


class Application(Flask):
    """Flask, with a failure logged under its correlation id, and with JSON in the order of the schemas."""

    json_provider_class = _Json

    def ensure_sync(self, func: Any) -> Any:
        """Call views and hooks as they are: none is a coroutine, and Flask would look at each of them each time."""
        return func

    def log_exception(self, exc_info: Any) -> None:
        """Log the traceback of what becomes a 500."""
        log.error("failed", exc_info=exc_info, correlation_id=g.correlation_id)

    def make_default_options_response(self) -> Response:
        """Answer OPTIONS by Allow alone (RFC 9110, section 9.3.7), and not as the HTML that Flask calls it."""
        response = super().make_default_options_response()
        response.status_code = 204
        return response


def init_app(app: Flask) -> None:
    """Answer every exception with a problem."""
    app.before_request(_require_path)
    app.register_error_handler(errors.Error, _known)
    app.register_error_handler(HTTPException, _http)
    app.before_request(_refuse)


def _refuse() -> None:
    if REFUSAL in request.environ:
        raise request.environ[REFUSAL]


def _require_path() -> None:
    """Raise `NotFound` unless the request's path begins with one "/": Werkzeug would add it, or remove a second."""
    path = request.environ["PATH_INFO"]
    if path[:1] != "/" or path[:2] == "//":
        raise NotFound


def log_cause(error: errors.Error) -> None:
    """Log why the store is not available, which callers are not told."""
    if isinstance(error, errors.StoreUnavailable):
        log.error("store_unavailable", cause=error.cause, correlation_id=g.correlation_id)


def _known(error: errors.Error) -> Response:
    log_cause(error)
    return _response(problem(error))


def _http(error: HTTPException) -> Response:
    if isinstance(error, InternalServerError):
        return _response(http_problem(500, FAILED) | {"correlationId": g.correlation_id})
    status = error.code or 500
    response = _response(http_problem(status, error.description or ""))
    response.headers.extend(
        (name, value) for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")
    )
    return response


def _response(body: dict[str, Any]) -> Response:
    status = body["status"]
    return current_app.response_class(
        # With a line end, so that a terminal shows what comes next on a line of its own.
        json.dumps(body) + "\n",
        status,
        HEADERS.get(status),
        content_type="application/problem+json",
    )

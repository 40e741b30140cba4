"""Every error as `application/problem+json` (RFC 9457)."""

from collections.abc import Sequence
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, json, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import HTTPException, InternalServerError, RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES

from webhook_admin import errors

log = structlog.get_logger()

REFUSAL = "webhook_admin.refusal"
"""The key of an environ under which a server leaves an `HTTPException` that is the answer to the request."""
STATUS = {
    errors.InvalidInput: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.TooManyRequests: 429,
    errors.StoreUnavailable: 503,
}
HEADERS = {
    401: {"WWW-Authenticate": 'Bearer realm="webhook-admin"'},
    429: {"Retry-After": "1"},
    503: {"Retry-After": "5"},
}


NOT_JSON = "The body must be JSON, sent with Content-Type: application/json."
NOT_IN_TIME = "The body was not complete within 10 s."
FAILED = "The service has failed. Its log says why under this correlation id."


TYPE = "urn:webhook-admin:"
# A body of a thousand events can have any number.
MOST_FAULTS = 100


def status_of(error: type[errors.Error]) -> int:
    """The HTTP status that says an error of this kind."""
    return next(STATUS[kind] for kind in error.__mro__ if kind in STATUS)


def problem(error: errors.Error) -> dict[str, Any]:
    """The body that says `error`."""
    faults = _first(error.errors) if isinstance(error, errors.InvalidInput) else []
    body: dict[str, Any] = {
        "type": TYPE + error.code,
        "title": error.title,
        "status": status_of(type(error)),
        "detail": str(errors.InvalidInput(faults) if faults else error),
    }
    if faults:
        body["errors"] = [fault._asdict() for fault in faults]
    return body


def _first(faults: Sequence[errors.FieldError]) -> Sequence[errors.FieldError]:
    """The faults, and from a certain number on how many more there are."""
    more = len(faults) - MOST_FAULTS
    if more <= 0:
        return faults
    return [*faults[:MOST_FAULTS], errors.FieldError("body", "more", f"At least {more:,} more are not listed.")]


def http_problem(status: int, detail: str) -> dict[str, Any]:
    """The body for what HTTP itself has a word for."""
    return {"type": "about:blank", "title": HTTP_STATUS_CODES[status], "status": status, "detail": detail}


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


def init_app(app: Flask) -> None:
    """Answer every exception with a problem."""
    app.register_error_handler(errors.Error, _known)
    app.register_error_handler(HTTPException, _http)
    app.before_request(_refuse)


def _refuse() -> None:
    if REFUSAL in request.environ:
        raise request.environ[REFUSAL]


def _known(error: errors.Error) -> Response:
    if isinstance(error, errors.StoreUnavailable):
        log.error("store_unavailable", cause=str(error.__cause__), correlation_id=g.correlation_id)
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
        json.dumps(body),
        status,
        HEADERS.get(status),
        content_type="application/problem+json",
    )

"""Each request's correlation id and its line in the log."""

import re
import string
import time
from http import HTTPStatus
from urllib.parse import quote

import structlog
from flask import Flask, Response, g, request
from uuid_utils import uuid7

# Of a path, percent-encoded are line breaks of any kind, and what would end the path's quotes.
_PRINTED = string.punctuation.translate({ord(sign): None for sign in '"\\%'})
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
log = structlog.get_logger()


def init_app(app: Flask) -> None:
    """Number and log the app's requests."""
    app.url_map.merge_slashes = False
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.started = time.perf_counter()
    proposed = request.headers.get("X-Correlation-Id", "")
    g.correlation_id = proposed if _CORRELATION_ID.fullmatch(proposed) else uuid7().hex


def _end(response: Response) -> Response:
    if "If-None-Match" in request.headers:
        response.make_conditional(request)
    if response.status_code == HTTPStatus.NO_CONTENT:
        del response.headers["Content-Type"]
    correlation_id = g.correlation_id
    response.headers.add("X-Correlation-Id", correlation_id)
    response.headers.add("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")
    caller = g.get("caller")
    log.info(
        "request",
        method=request.method,
        path=quote(request.path, safe=_PRINTED),
        status=response.status_code,
        duration_ms=round((time.perf_counter() - g.started) * 1000, 1),
        account_id=caller and (caller.account_id or caller.named_account_id),
        key_id=caller and caller.key_id,
        correlation_id=correlation_id,
    )
    return response

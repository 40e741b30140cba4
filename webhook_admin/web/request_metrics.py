"""Each request in the metrics: by the template of its route and by its status, and how long it took."""

import time

from flask import Flask, Response, g, request

from webhook_admin.web.context import parts

# Anybody may send a method and a path of their own: these stand for all that no route has.
_NO_ROUTE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
_OTHER_METHOD = "other"


def init_app(app: Flask) -> None:
    """Measure the app's requests."""
    app.before_request(_begin)
    app.after_request(_answered)
    app.teardown_request(_end)


def _begin() -> None:
    parts().metrics.in_flight.inc()
    g.measured = True


def _answered(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else _NO_ROUTE
    method = request.method if request.method in _METHODS else _OTHER_METHOD
    parts().metrics.answered(method, route, response.status_code, time.perf_counter() - g.started)
    return response


def _end(_error: BaseException | None) -> None:
    if g.pop("measured", False):
        parts().metrics.in_flight.dec()

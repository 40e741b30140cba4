"""An RSGI application that calls a WSGI application, without ever letting a client hold one of its threads.

A request takes a thread when its body is complete, and gives it back before its answer is sent.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import structlog
from granian._granian import RSGIHTTPProtocol
from granian.rsgi import Scope
from werkzeug.exceptions import HTTPException, RequestTimeout, ServiceUnavailable

from webhook_admin.server.bodies import LARGE, Budget, NoRoom, Unread, Wanted, receive
from webhook_admin.server.callers import Callers
from webhook_admin.server.environ import environ
from webhook_admin.server.threads import QueueFull, Threads
from webhook_admin.server.wsgi import Answer, call
from webhook_admin.web.auth import CALLER
from webhook_admin.web.event_schemas import MAX_BODY
from webhook_admin.web.problems import NOT_IN_TIME, REFUSAL

# Bytes, on paths where a body may be a large one.
_MAX_BODIES = {"/events": MAX_BODY}
_THREADS = 8
_MAX_WAITING = 500  # of one caller
# Answered on the event loop: however busy the threads are, and whatever they wait for, the process is alive.
_ON_LOOP = frozenset({"/health/live"})
_BUSY = "Too many requests are waiting already. Try again shortly."
# A caller with more than _CROWD requests in flight gets these refusals 1 to 2 s late. Each of its connections waits for
# its answer before the next request on it is looked at: that ends a flood, at no cost.
_SLOWED_DOWN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})
_CROWD = 16
log = structlog.get_logger()


class Adapter:
    """Serves a WSGI application."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._budget = Budget()
        self._callers = Callers()
        self._in_flight: Counter[str | None] = Counter()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the threads: in the process that serves, which may be a fork."""
        self._threads = Threads(loop, _THREADS, _MAX_WAITING)

    async def __rsgi__(self, scope: Scope, protocol: RSGIHTTPProtocol) -> None:
        """Answer one request."""
        request = environ(scope)
        caller = self._callers.caller(request)
        self._in_flight[caller] += 1
        try:
            answer = await self._serve(scope.path, request, caller, protocol)
            if answer.status in _SLOWED_DOWN and self._in_flight[caller] > _CROWD:
                await asyncio.sleep(random.uniform(1, 2))  # noqa: S311  not all of them at the same moment
        except TimeoutError:
            answer = self._refuse(request, RequestTimeout(NOT_IN_TIME))
        except (QueueFull, NoRoom):
            answer = self._refuse(request, ServiceUnavailable(_BUSY))
        finally:
            self._in_flight[caller] -= 1
            if not self._in_flight[caller]:
                del self._in_flight[caller]
        if isinstance(answer.body, Path):
            protocol.response_file(answer.status, answer.headers, str(answer.body))
        else:
            protocol.response_bytes(answer.status, answer.headers, answer.body)

    async def _serve(
        self, path: str, request: dict[str, Any], caller: str | None, protocol: RSGIHTTPProtocol
    ) -> Answer:
        request["wsgi.input"] = Unread()
        if path in _ON_LOOP:
            return self._call(request)
        max_size = _MAX_BODIES.get(path, LARGE)
        size = _size(request, max_size)
        if size > LARGE:
            # The application judges the API key first: nobody without one can use up the budget.
            with suppress(Wanted):
                return await self._threads(partial(self._call, request), caller)
        with self._budget.reserve(size):
            request["wsgi.input"] = BytesIO(await receive(protocol, request, max_size) if size else b"")
            return await self._threads(partial(self._call, request), caller)

    def _refuse(self, request: dict[str, Any], error: HTTPException) -> Answer:
        return self._call(request | {"wsgi.input": BytesIO(), REFUSAL: error})

    def _call(self, request: dict[str, Any]) -> Answer:
        """What the application answers. Raises `Wanted` if it has to read the body first."""
        # A copy, as the application may be called twice, and leaves things of its own in it.
        own = request.copy()
        try:
            answer = call(self._application, own)
        except Exception:
            log.exception("application_failed")
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, [], b"")
        if CALLER in own:
            self._callers.note(request, own[CALLER])
        return answer


def _size(request: Mapping[str, Any], max_size: int) -> int:
    """How many bytes the body may turn out to have."""
    if "HTTP_TRANSFER_ENCODING" in request:
        return max_size
    return int(request.get("CONTENT_LENGTH", 0))

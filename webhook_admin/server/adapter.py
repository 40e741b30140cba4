"""An RSGI application that calls a WSGI application, without ever letting a client hold one of its threads.

A request takes a thread when its body is complete, and gives it back before its answer is sent.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
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

_THREADS = 4
# Where bodies may be large. Its threads mostly wait for each other's commit, so that more of them make larger groups;
# elsewhere they would only take the interpreter from each other.
_EVENTS = "/events"
_EVENT_THREADS = 32
_MAX_WAITING = 500  # of one caller
# Answered on the event loop: however busy the threads are, and whatever they wait for, the process is alive.
_ON_LOOP = frozenset({"/health/live"})
_BUSY = "Too many requests are waiting already. Try again shortly."
# A caller with more than _CROWD requests in flight gets these refusals 1 to 2 s late. Each of its connections waits for
# its answer before the next request on it is looked at: that ends a flood, at no cost.
_SLOWED_DOWN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})
_CROWD = 16
log = structlog.get_logger()


@dataclass
class _Exchange:
    """A request, and the way to answer it."""

    request: dict[str, Any]
    caller: str | None
    protocol: RSGIHTTPProtocol
    # Whether there is a body, or more of it, that has not been read.
    body_left: bool

    def send(self, answer: Answer) -> None:
        """Hand the answer over to Granian."""
        headers = answer.headers
        if self.body_left:
            # Granian closes the connection, as the rest of the body would be taken for the next request.
            headers = [*headers, ("Connection", "close")]
        if isinstance(answer.body, Path):
            self.protocol.response_file(answer.status, headers, str(answer.body))
        else:
            self.protocol.response_bytes(answer.status, headers, answer.body)


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
        self._event_threads = Threads(loop, _EVENT_THREADS, _MAX_WAITING)

    async def __rsgi__(self, scope: Scope, protocol: RSGIHTTPProtocol) -> None:
        """Answer one request."""
        request = environ(scope)
        caller = self._callers.caller(request)
        exchange = _Exchange(request, caller, protocol, body_left=_size(request, 1) > 0)
        self._in_flight[caller] += 1
        try:
            late = await self._serve(scope.path, exchange)
            if late:
                await asyncio.sleep(random.uniform(1, 2))  # noqa: S311  not all of them at the same moment
                exchange.send(late)
        except TimeoutError:
            self._refuse(exchange, RequestTimeout(NOT_IN_TIME))
        except (QueueFull, NoRoom):
            self._refuse(exchange, ServiceUnavailable(_BUSY))
        finally:
            self._in_flight[caller] -= 1
            if not self._in_flight[caller]:
                del self._in_flight[caller]

    async def _serve(self, path: str, exchange: _Exchange) -> Answer | None:
        """Answer the request, or return an answer that has to be sent late."""
        request, caller = exchange.request, exchange.caller
        request["wsgi.input"] = Unread()
        answer = partial(self._answer, exchange)
        if path in _ON_LOOP:
            return answer()
        threads, max_size = (self._event_threads, MAX_BODY) if path == _EVENTS else (self._threads, LARGE)
        size = _size(request, max_size)
        if size > LARGE:
            # The application judges the API key first: nobody without one can use up the budget.
            with suppress(Wanted):
                return await threads(answer, caller)
        with self._budget.reserve(size):
            body = await receive(exchange.protocol, request, max_size) if size else b""
            request["wsgi.input"], exchange.body_left = BytesIO(body), len(body) > max_size
            return await threads(answer, caller)

    def _answer(self, exchange: _Exchange) -> Answer | None:
        answer = self._call(exchange.request)
        if answer.status in _SLOWED_DOWN and self._in_flight[exchange.caller] > _CROWD:
            return answer
        exchange.send(answer)
        return None

    def _refuse(self, exchange: _Exchange, error: HTTPException) -> None:
        exchange.send(self._call(exchange.request | {"wsgi.input": BytesIO(), REFUSAL: error}))

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

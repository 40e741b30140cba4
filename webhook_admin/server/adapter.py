"""An RSGI application that calls a WSGI application, without ever letting a client hold one of its threads.

A request takes a thread when its body is complete, and gives it back before its answer is sent.
"""

import asyncio
from collections.abc import Callable, Mapping
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
from werkzeug.wsgi import FileWrapper

from webhook_admin.server.bodies import LARGE, Budget, NoRoom, Unread, Wanted, receive
from webhook_admin.server.environ import environ
from webhook_admin.server.threads import QueueFull, Threads
from webhook_admin.web.event_schemas import MAX_BODY
from webhook_admin.web.problems import NOT_IN_TIME, REFUSAL

# Bytes, on paths where a body may be a large one.
_MAX_BODIES = {"/events": MAX_BODY}
_THREADS = 8
_MAX_WAITING = 500
# Answered on the event loop: however busy the threads are, and whatever they wait for, the process is alive.
_ON_LOOP = frozenset({"/health/live"})
_BUSY = "The service has as many requests waiting as it may. Try again shortly."
log = structlog.get_logger()


class Adapter:
    """Serves a WSGI application."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._budget = Budget()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the threads: in the process that serves, which may be a fork."""
        self._threads = Threads(loop, _THREADS, _MAX_WAITING)

    async def __rsgi__(self, scope: Scope, protocol: RSGIHTTPProtocol) -> None:
        """Answer one request."""
        request = environ(scope)
        try:
            await self._serve(scope.path, request, protocol)
        except TimeoutError:
            self._refuse(request, protocol, RequestTimeout(NOT_IN_TIME))
        except (QueueFull, NoRoom):
            self._refuse(request, protocol, ServiceUnavailable(_BUSY))

    async def _serve(self, path: str, request: dict[str, Any], protocol: RSGIHTTPProtocol) -> None:
        request["wsgi.input"] = Unread()
        answer = partial(self._answer, request, protocol)
        if path in _ON_LOOP:
            answer()
            return
        max_size = _MAX_BODIES.get(path, LARGE)
        size = _size(request, max_size)
        # The application judges the API key before a large body is read: nobody without one can use up the budget.
        if size > LARGE and await self._threads(answer):
            return
        with self._budget.reserve(size):
            request["wsgi.input"] = BytesIO(await receive(protocol, request, max_size) if size else b"")
            await self._threads(answer)

    def _refuse(self, request: dict[str, Any], protocol: RSGIHTTPProtocol, error: HTTPException) -> None:
        self._answer(request | {"wsgi.input": BytesIO(), REFUSAL: error}, protocol)

    def _answer(self, request: dict[str, Any], protocol: RSGIHTTPProtocol) -> bool:
        """Call the application and send its answer; whether there is one, or it wants the body first."""
        try:
            status, headers, body = _call(self._application, request)
        except Wanted:
            return False
        except Exception:
            log.exception("application_failed")
            status, headers, body = HTTPStatus.INTERNAL_SERVER_ERROR, [], b""
        if isinstance(body, Path):
            protocol.response_file(status, headers, str(body))
        else:
            protocol.response_bytes(status, headers, body)
        return True


def _size(request: Mapping[str, Any], max_size: int) -> int:
    """How many bytes the body may turn out to have."""
    if "HTTP_TRANSFER_ENCODING" in request:
        return max_size
    return int(request.get("CONTENT_LENGTH", 0))


def _call(application: WSGIApplication, request: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes | Path]:
    """The application's answer: status, headers, and the whole body or the file that it is."""
    started: list[Any] = []
    chunks: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Callable[[bytes], Any]:
        started[:] = [int(status[:3]), headers]
        return chunks.append

    # A copy, as the application may be called twice, and leaves things of its own in it.
    result: Any = application(request.copy(), start_response)
    try:
        if isinstance(result, FileWrapper) and isinstance(name := getattr(result.file, "name", None), str):
            return started[0], started[1], Path(name)
        chunks.extend(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    return started[0], started[1], b"".join(chunks)

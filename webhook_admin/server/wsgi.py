"""A WSGI application, called."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.types import WSGIApplication

from werkzeug.wsgi import FileWrapper


class Answer(NamedTuple):
    """What an application answers; the body is whole, or the file that it is."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes | Path


def call(application: WSGIApplication, environ: dict[str, Any]) -> Answer:
    """Call a WSGI application (PEP 3333), and wait for all of its answer. Raises what the application raises."""
    started: list[Any] = []
    chunks: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Callable[[bytes], Any]:
        started[:] = [int(status[:3]), headers]
        return chunks.append

    result: Any = application(environ, start_response)
    try:
        if isinstance(result, FileWrapper) and isinstance(name := getattr(result.file, "name", None), str):
            return Answer(started[0], started[1], Path(name))
        chunks.extend(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    return Answer(started[0], started[1], b"".join(chunks))

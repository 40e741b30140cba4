"""A WSGI application that says how it was called, and that answers in every way that PEP 3333 allows."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

PLAIN = ("Content-Type", "text/plain")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the path says; by default with the request as it came."""
    return ANSWERS.get(environ["PATH_INFO"], _echo)(environ, start_response)


def _echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    shown = {
        name: value
        for name, value in environ.items()
        if name.startswith("HTTP_")
        or name in ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL", "REMOTE_ADDR")
        or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
    }
    text = json.dumps({"environ": shown, "body": body.decode("latin-1")}, sort_keys=True).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text]


def _generator(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("201 Created", [PLAIN])
    yield b"one, "
    yield b""
    yield b"two"


def _write(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [PLAIN])(b"written, ")
    return [b"returned"]


def _twice(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [PLAIN])
    start_response("418 I'm a teapot", [PLAIN], (ValueError, ValueError(), None))
    return [b"another answer"]


def _cookies(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [PLAIN, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Length", "2")])
    return [b"ok"]


def _nothing(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("204 No Content", [])
    return []


def _head(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [PLAIN, ("Content-Length", "5"), ("ETag", '"1"')])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"hello"]


def _fail(_environ: dict[str, Any], _start_response: Callable[..., Any]) -> Iterable[bytes]:
    raise ValueError


class _Closing:
    """An iterable that fails, and has to be closed all the same."""

    closed = 0

    def __iter__(self) -> Iterator[bytes]:
        raise ValueError

    def close(self) -> None:
        type(self).closed += 1


def _fail_late(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [PLAIN])
    return _Closing()


def _closed(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [PLAIN])
    return [str(_Closing.closed).encode()]


def _file(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [PLAIN])
    return environ["wsgi.file_wrapper"](Path(__file__).open("rb"), 8192)  # type: ignore[no-any-return]


ANSWERS = {
    "/generator": _generator,
    "/write": _write,
    "/twice": _twice,
    "/cookies": _cookies,
    "/nothing": _nothing,
    "/head": _head,
    "/fail": _fail,
    "/fail-late": _fail_late,
    "/closed": _closed,
    "/file": _file,
}

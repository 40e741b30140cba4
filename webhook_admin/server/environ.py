"""From a request as RSGI has it to the environ of WSGI (PEP 3333)."""

import sys
from functools import lru_cache
from typing import Any

from granian.rsgi import Scope
from werkzeug.wsgi import FileWrapper

_SAME = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    # The file that a response is made of is recognised by it: Granian sends that itself.
    "wsgi.file_wrapper": FileWrapper,
    # A body is complete before the application sees it.
    "wsgi.input_terminated": True,
}


def environ(scope: Scope) -> dict[str, Any]:
    """The environ of the request, as yet without a body."""
    server_name, _, server_port = scope.server.rpartition(":")
    remote_address, _, remote_port = scope.client.rpartition(":")
    return {
        **_SAME,
        **_headers(scope),
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": _native(scope.path),
        "QUERY_STRING": _native(scope.query_string),
        "SERVER_NAME": server_name,
        "SERVER_PORT": server_port,
        "SERVER_PROTOCOL": "HTTP/1.0" if scope.http_version == "1" else "HTTP/1.1",
        "REMOTE_ADDR": remote_address.strip("[]"),
        "REMOTE_PORT": remote_port,
        "wsgi.url_scheme": scope.scheme,
    }


def _headers(scope: Scope) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in scope.headers.items():
        key = _key(name)
        if key:
            found[key] = f"{found[key]},{value}" if key in found else value
    names = scope.headers.keys()
    if len(names) > len(found):
        # Granian leaves out values that are not ASCII. An empty one is refused where a value counts.
        found |= {key: "" for name in names if (key := _key(name)) and key not in found}
    return found


@lru_cache(1_024)
def _key(name: str) -> str:
    """The header's key; "" for names with `_`, which would be taken for those with `-`."""
    if "_" in name:
        return ""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _native(text: str) -> str:
    """WSGI's strings have one character for each byte."""
    return text if text.isascii() else text.encode().decode("latin-1")

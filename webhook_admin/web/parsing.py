"""From a request's body and parameters to checked values: strict JSON (RFC 8259), and one list of what is wrong."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from flask import Request
from marshmallow import Schema, ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from webhook_admin.errors import FieldError, InvalidInput
from webhook_admin.web.problems import NOT_JSON

# Bytes; no body needs more unless its blueprint says so.
MAX_BODY = 64 * 1024
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ESCAPED_UNSTORABLE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class StrictParser(FlaskParser):
    """webargs, with the contract's status codes, and no more lenient than JSON itself."""

    DEFAULT_VALIDATION_STATUS = 400
    DEFAULT_UNKNOWN_BY_LOCATION = {"json": "raise", "query": "raise"}

    def __init__(self, max_body: int = MAX_BODY) -> None:
        """`max_body` is how many bytes a body may have."""
        super().__init__()
        self._max_body = max_body

    def load_json(self, req: Request, schema: Schema) -> Any:
        """The body, decoded; of a request without body and media type, an empty object."""
        if req.content_type is None and req.content_length in (None, 0) and "Transfer-Encoding" not in req.headers:
            return {}
        if req.mimetype != "application/json":
            raise UnsupportedMediaType(NOT_JSON)
        return decode(_body(req, self._max_body))

    def handle_error(self, error: ValidationError, req: Request, schema: Schema, **_options: Any) -> NoReturn:
        """Say everything that the schema has found wrong."""
        messages: Any = error.messages
        raise InvalidInput(list(_field_errors(messages.get("json") or messages.get("query")))) from None


def decode(body: bytes) -> Any:
    """The JSON value of a body. Raises `InvalidInput` for anything that is not unambiguously JSON and storable text.

    That is: bytes that are not UTF-8, broken or too deeply nested JSON, NaN and Infinity, an object with the
    same key twice, and strings with NUL (which PostgreSQL cannot store) or with half a surrogate pair.
    """
    try:
        text = body.decode()
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
        # Only an escape can bring in either; the walk is spared to all other bodies.
        if _ESCAPED_UNSTORABLE.search(text):
            _require_storable(value, "")
    except UnicodeDecodeError:
        raise _bad_body("not_utf8", "Must be encoded in UTF-8.") from None
    except RecursionError:
        raise _bad_body("too_deep", "Must not be nested so deeply.") from None
    except json.JSONDecodeError as error:
        raise _bad_body("not_json", f"Must be valid JSON: {error}.") from None
    except ValueError:
        raise _bad_body("number_too_long", "A number has too many digits.") from None
    return value


def _body(request: Request, limit: int) -> bytes:
    # One more than is accepted: Werkzeug cuts a chunked body off at its limit without a word.
    request.max_content_length = limit + 1
    length = request.content_length
    if length is not None and length > limit:
        raise RequestEntityTooLarge
    body = request.get_data(cache=False)
    if len(body) > limit:
        raise RequestEntityTooLarge
    if length not in (None, len(body)):
        raise _bad_body("incomplete", "The body is shorter than its Content-Length.")
    return body


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name in value if counts[name] > 1)
        raise InvalidInput([FieldError(_printable(twice), "duplicate_key", "This key is there twice.")])
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise _bad_body("not_json", f"Must be valid JSON, which has no {name}.")


def _require_storable(value: Any, path: str) -> None:
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            message = "NUL characters and lone surrogates cannot be stored."
            raise InvalidInput([FieldError(path or "body", "invalid_character", message)])
    elif isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for name, member in members:
            below = f"{path}.{_printable(str(name))}".lstrip(".")
            _require_storable(str(name), below)
            _require_storable(member, below)


def _field_errors(messages: Any, path: str = "") -> Iterator[FieldError]:
    """Flatten marshmallow's tree of messages into one entry for each, its field's path joined by dots."""
    if isinstance(messages, Mapping):
        for name, below in messages.items():
            yield from _field_errors(
                below, path if name == "_schema" else f"{path}.{_printable(str(name))}".lstrip(".")
            )
    else:
        for fault in messages:
            yield FieldError(path or "body", *fault)


def _bad_body(code: str, message: str) -> InvalidInput:
    return InvalidInput([FieldError("body", code, message)])


def _printable(name: str) -> str:
    """The name of a field, safe to be repeated in an answer."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", name)[:100]

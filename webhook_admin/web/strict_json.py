"""Strict JSON (RFC 8259): what can be read in one way only, and can be stored."""

import json
import re
from collections import Counter
from typing import Any, NoReturn

from webhook_admin.errors import FieldError, InvalidInput

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ESCAPED_UNSTORABLE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


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
        raise bad_body("not_utf8", "Must be encoded in UTF-8.") from None
    except RecursionError:
        raise bad_body("too_deep", "Must not be nested so deeply.") from None
    except json.JSONDecodeError as error:
        raise bad_body("not_json", f"Must be valid JSON: {error}.") from None
    except ValueError:
        raise bad_body("number_too_long", "A number has too many digits.") from None
    return value


def bad_body(code: str, message: str) -> InvalidInput:
    """The error of a body that is wrong as a whole."""
    return InvalidInput([FieldError("body", code, message)])


def printable(name: str) -> str:
    """The name of a field, safe to be repeated in an answer."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", name)[:100]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name in value if counts[name] > 1)
        raise InvalidInput([FieldError(printable(twice), "duplicate_key", "This key is there twice.")])
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise bad_body("not_json", f"Must be valid JSON, which has no {name}.")


def _require_storable(value: Any, path: str) -> None:
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            message = "NUL characters and lone surrogates cannot be stored."
            raise InvalidInput([FieldError(path or "body", "invalid_character", message)])
    elif isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for name, member in members:
            below = f"{path}.{printable(str(name))}".lstrip(".")
            _require_storable(str(name), below)
            _require_storable(member, below)

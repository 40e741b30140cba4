"""Strict JSON (RFC 8259): what can be read in one way only, can be stored, and costs little to look at."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, NoReturn

from webhook_admin.errors import InvalidInput
from webhook_admin.field_errors import Code, FieldError

# Of a body, as large as it may be, each value may have so many bytes on average: no call needs smaller ones.
_BYTES_PER_VALUE = 20
# Characters of an object's key in an error's path.
_MAX_NAME = 100
# The place of a character that cannot be stored is looked for among so many values, which takes 2 ms.
_MAX_LOOKED_AT = 5_000
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Only an escape can bring in either; most bodies have no such escape.
_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
# Valid JSON in which every escaped surrogate is one of a pair, and nothing is an escaped NUL.
_STORABLE = re.compile(
    r"(?: [^\\]++ | \\(?: [^u] | u(?!0000|[dD][89a-fA-F]) | u[dD][89abAB]..\\u[dD][c-fC-F] ) )*+", re.VERBOSE
)
# The final quote is optional: without it, each quote in a string that never ends would be tried as a beginning.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


def decode(body: bytes, max_body: int) -> Any:
    """The JSON value of a body. Raises `InvalidInput` for anything that is not unambiguously JSON and storable text.

    That is: bytes that are not UTF-8, broken or too deeply nested JSON, NaN and Infinity, an object with the
    same key twice, and strings with NUL (which PostgreSQL cannot store) or with half a surrogate pair. Since each value
    costs Python objects and calls, there may be only one for every 20 of the `max_body` bytes that a body may have.
    """
    try:
        text = body.decode()
        _require_few_values(text, max_body // _BYTES_PER_VALUE)
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise bad_body("not_utf8", "Must be encoded in UTF-8.") from None
    except RecursionError:
        raise bad_body("too_deep", "Must not be nested so deeply.") from None
    except json.JSONDecodeError as error:
        raise bad_body("not_json", f"Must be valid JSON: {error}.") from None
    except ValueError:
        raise bad_body("number_too_long", "A number has too many digits.") from None
    if _SUSPICIOUS.search(text) and not _STORABLE.fullmatch(text):
        message = "NUL characters and lone surrogates cannot be stored."
        raise InvalidInput([FieldError(_unstorable_place(value) or "body", "invalid_character", message)])
    return value


def bad_body(code: Code, message: str) -> InvalidInput:
    """The error of a body that is wrong as a whole."""
    return InvalidInput([FieldError("body", code, message)])


def printable(name: str) -> str:
    """The name of a field, safe to be repeated in an answer."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", name[:_MAX_NAME])


def _require_few_values(text: str, most: int) -> None:
    """Refuse a text with more than `most` commas and opening brackets; those in strings do not count."""
    if _marks(text) > most and _marks(_STRING.sub("", text)) > most:
        raise bad_body("too_many_values", f"Must not have more than {most:,} values.")


def _marks(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name in value if counts[name] > 1)
        raise InvalidInput([FieldError(printable(twice), "duplicate_key", "This key is there twice.")])
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise bad_body("not_json", f"Must be valid JSON, which has no {name}.")


def _unstorable_place(value: Any) -> str:
    """The path of the first string or key that cannot be stored; "" if it is the body or not among the first values."""
    path: list[str] = []
    levels = [iter([("", value)])]
    for _ in range(_MAX_LOOKED_AT):
        name, member = next(levels[-1], (None, None))
        if name is None:
            levels.pop()
            path.pop()
        elif _UNSTORABLE.search(name) or (isinstance(member, str) and _UNSTORABLE.search(member)):
            return ".".join(map(printable, [*path, name][1:]))
        elif isinstance(member, dict | list):
            levels.append(iter(_members(member)))
            path.append(name)
    return ""


def _members(value: dict[str, Any] | list[Any]) -> Iterable[tuple[str, Any]]:
    return value.items() if isinstance(value, dict) else ((str(place), member) for place, member in enumerate(value))

"""What is said of an error: the bodies of problems (RFC 9457). Apart from `problems`, as saying it needs no Flask."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

from webhook_admin import errors
from webhook_admin.field_errors import FieldError
from webhook_admin.web.enumerations import TYPE_PREFIX
from webhook_admin.web.strict_json import printable

STATUS = {
    errors.InvalidInput: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.TooManyRequests: 429,
    errors.StoreUnavailable: 503,
}
# Named in RFC 9110, section 15.5.14; Werkzeug has the name of RFC 7231.
_TITLES = {413: "Content Too Large"}

# How many are listed; a body of a thousand events can have any number.
MAX_FAULTS = 100


def status_of(error: type[errors.Error]) -> int:
    """The HTTP status that says an error of this kind."""
    return next(STATUS[kind] for kind in error.__mro__ if kind in STATUS)


def problem(error: errors.Error) -> dict[str, Any]:
    """The body that says `error`."""
    faults = _first(error.errors) if isinstance(error, errors.InvalidInput) else []
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + error.code,
        "title": error.title,
        "status": status_of(type(error)),
        "detail": str(errors.InvalidInput(faults) if faults else error),
    }
    if faults:
        body["errors"] = [fault._asdict() for fault in faults]
    return body


def _first(faults: Sequence[FieldError]) -> Sequence[FieldError]:
    """The faults, and from a certain number on how many more there are."""
    more = len(faults) - MAX_FAULTS
    if more <= 0:
        return faults
    return [*faults[:MAX_FAULTS], FieldError("body", "more", f"At least {more:,} more are not listed.")]


def http_problem(status: int, detail: str) -> dict[str, Any]:
    """The body for what HTTP itself has a word for."""
    title = _TITLES.get(status, HTTP_STATUS_CODES[status])
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


def field_errors(messages: Any, path: str = "") -> Iterator[FieldError]:
    """Flatten marshmallow's tree of messages into one entry for each, its field's path joined by dots."""
    if isinstance(messages, Mapping):
        for name, below in messages.items():
            yield from field_errors(below, path if name == "_schema" else f"{path}.{printable(str(name))}".lstrip("."))
    else:
        for fault in messages:
            yield FieldError(path or "body", *fault)

"""From a request's body and parameters to checked values: strict JSON (RFC 8259), and one list of what is wrong."""

from typing import Any, NoReturn

from flask import Request
from marshmallow import Schema, ValidationError
from webargs.flaskparser import FlaskParser
from webargs.multidictproxy import MultiDictProxy
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from webhook_admin.errors import InvalidInput
from webhook_admin.field_errors import FieldError
from webhook_admin.web.context import parts
from webhook_admin.web.fields import AllowedNetworks
from webhook_admin.web.problem_bodies import field_errors
from webhook_admin.web.problems import NOT_JSON
from webhook_admin.web.strict_json import bad_body, decode, printable

# Bytes; no body needs more unless its blueprint says so.
MAX_BODY = 64 * 1024
# No call knows more than a few.
_MAX_PARAMETERS = 100


class StrictParser(FlaskParser):
    """webargs, with the contract's status codes, and no more lenient than JSON itself."""

    DEFAULT_VALIDATION_STATUS = 400
    DEFAULT_UNKNOWN_BY_LOCATION = {"json": "raise", "query": "raise"}

    def __init__(self, max_body: int = MAX_BODY) -> None:
        """`max_body` is how many bytes a body may have."""
        super().__init__()
        self._max_body = max_body

    def parse(self, *arguments: Any, **options: Any) -> Any:
        """The checked values of the request in progress. Raises `InvalidInput`."""
        with AllowedNetworks(parts().settings.allowed_networks):
            return super().parse(*arguments, **options)

    def load_json(self, req: Request, schema: Schema) -> Any:
        """The body, decoded; of a request without body and media type, an empty object."""
        if req.content_type is None and req.content_length in (None, 0) and "Transfer-Encoding" not in req.headers:
            return {}
        if req.mimetype != "application/json":
            raise UnsupportedMediaType(NOT_JSON)
        if req.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnsupportedEncoding
        return decode(_body(req, self._max_body), self._max_body)

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """The parameters, each once. Raises `InvalidInput`."""
        if req.query_string.count(b"&") >= _MAX_PARAMETERS:
            message = f"Must not have more than {_MAX_PARAMETERS} parameters."
            raise InvalidInput([FieldError("query", "too_many", message)])
        parameters: Any = MultiDictProxy(req.args, schema)
        several = {name for name, values in req.args.lists() if len(values) > 1} - parameters.multiple_keys
        if several:
            message = "This parameter is there more than once."
            raise InvalidInput([FieldError(printable(name), "repeated", message) for name in sorted(several)])
        return parameters

    def handle_error(self, error: ValidationError, req: Request, schema: Schema, **_options: Any) -> NoReturn:
        """Say everything that the schema has found wrong."""
        messages: Any = error.messages
        raise InvalidInput(list(field_errors(messages.get("json") or messages.get("query")))) from None


class UnsupportedEncoding(UnsupportedMediaType):
    """The body is compressed (RFC 9110, section 8.4)."""

    description = "The body must not be compressed: send it without Content-Encoding."

    def get_headers(self, *arguments: Any) -> list[tuple[str, str]]:
        """Say which coding would do (RFC 9110, section 12.5.3)."""
        return [*super().get_headers(*arguments), ("Accept-Encoding", "identity")]


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
        raise bad_body("incomplete", "The body is shorter than its Content-Length.")
    return body

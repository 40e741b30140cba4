"""The OpenAPI document: what flask-smorest does not see by itself."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from flask import Flask
from flask_smorest import Api
from marshmallow import fields

from webhook_admin import errors
from webhook_admin.accounts import ACCOUNT_ID
from webhook_admin.field_errors import FieldError
from webhook_admin.web import enumerations, openapi_webhooks, problems, schemas
from webhook_admin.web.blueprint import View
from webhook_admin.web.fields import Choice
from webhook_admin.web.problem_bodies import problem
from webhook_admin.web.records import UNKNOWN_FIELD

Failure = errors.Error | int


def _header(description: str, **schema: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"} | schema}


def _parameter(name: str, description: str, **schema: str) -> dict[str, Any]:
    return {"name": name, "in": "header"} | _header(description, **schema)


ACCOUNT_ID_PATTERN = f"^{ACCOUNT_ID.pattern}$"
X_ACCOUNT_ID = _parameter(
    "X-Account-Id",
    "The account to act for. A platform key must name one; an account key may name its own.",
    pattern=ACCOUNT_ID_PATTERN,
)
IF_MATCH = _parameter("If-Match", "Do it only if the webhook's ETag is still one of these.")
IF_NONE_MATCH = _parameter("If-None-Match", "Answer 304 if the webhook's ETag is still one of these.")
UNLESS_MATCH = _parameter("If-None-Match", "Do it only if the webhook's ETag is none of these.")
ETAG = {"ETag": _header("Changes whenever the webhook does.") | {"required": True}}
LOCATION = {"Location": _header("The path of what was made.") | {"required": True}}
_IN_PATH = {"in": "path", "required": True}
_ACCOUNT = "The account's id, the platform's own; not `.` or `..`."
PATH_ACCOUNT_ID = _parameter("account_id", _ACCOUNT, pattern=ACCOUNT_ID_PATTERN) | _IN_PATH
PATH_DELIVERY_ID = _parameter("delivery_id", "The delivery's `id`.") | _IN_PATH
PATH_KEY_ID = _parameter("key_id", "The API key's `id`.") | _IN_PATH

ANYONE: tuple[Failure, ...] = (500,)
KEY_HOLDER = (*ANYONE, errors.Unauthenticated(), errors.StoreUnavailable())
PLATFORM = (*KEY_HOLDER, errors.PlatformKeyRequired())
ANY_KEY = (*KEY_HOLDER, errors.OtherAccount(), errors.TooManyRequests())
ACCOUNT = (*ANY_KEY, errors.AccountNotNamed(), errors.AccountNotFound())
PARAMETERS = (errors.InvalidInput([FieldError("limt", *UNKNOWN_FIELD)]),)
JSON_BODY = (408, 413, 415, errors.InvalidInput([FieldError("naem", *UNKNOWN_FIELD)]))


_DESCRIPTION = """\
Each account of a messaging platform registers one HTTPS callback URL, its *webhook*; from then on every delivery-status
event of the account's messages is POSTed there.

1. Get an API key. An *account key* acts for its account. A *platform key* manages accounts and keys, and acts for the
   account that it names in `X-Account-Id`.
2. Configure the webhook with `POST /webhooks/delivery-status`, and keep the `signingSecret` of the answer.
3. Verify notifications with it, by [Standard Webhooks](https://www.standardwebhooks.com).
4. Try it with `POST /webhooks/delivery-status/test`. If your receiver refuses the signature, send what it has to
   `POST /webhooks/delivery-status/verify`.

Every error is `application/problem+json` (RFC 9457): `type` and the `code` of each of its `errors` are for programs,
`detail` and `message` for people. Every answer has an `X-Correlation-Id`, the request's own if it sent one.

Requests are closed: a field that a call does not know is refused. Answers and notifications are open: ignore what you
do not know, as fields may be added. A body may have 64 KiB and 3,276 JSON values, that of `POST /events` 4 MiB and
209,715.
"""


_SECURITY_SCHEMES = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The API key by itself: `X-API-Key: whak_...` (an account key) or `whpk_...` (a platform key).",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The same API key as `Authorization: Bearer whak_...`, for clients that have no other header. "
        "If both are sent, they must be the same.",
    },
}
# Keywords that say something about a value without limiting it.
_ANNOTATIONS = {"description", "examples", "default"}


def operation(
    operation_id: str, *failures: Failure, parameters: Sequence[dict[str, Any]] = (), **document: Any
) -> Callable[[View], View]:
    """Document a view: its name in generated clients, every way in which it fails with a true example, and the rest.

    Unlike flask-smorest's own decorators it puts no wrapper around the view, which would cost each request.
    """
    responses: dict[int, Any] = {}
    for failure in failures:
        _add_failure(responses, failure)

    def decorate(view: View) -> View:
        apidoc = vars(view).setdefault("_apidoc", {})
        apidoc["manual_doc"] = {"operationId": operation_id, "responses": responses, **document}
        if parameters:
            # Beside those of a query's schema, which flask-smorest would replace by what is documented by hand.
            apidoc["arguments"] = {"parameters": list(parameters)}
        return view

    return decorate


def init_app(app: Flask) -> Api:
    """Give the app its document; the blueprints that are registered with the result are in it."""
    app.config |= {
        "API_TITLE": "webhook_admin",
        "API_VERSION": version("webhook-admin"),
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": "/",
        "API_SPEC_OPTIONS": {
            "info": {
                "description": _DESCRIPTION,
                "contact": {"name": "The messaging platform that runs this service"},
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            # Relative to this document, so that it is true under any host and path prefix.
            "servers": [{"url": ".", "description": "The service that this document comes from."}],
            "webhooks": {"deliveryStatus": {"post": openapi_webhooks.OPERATION}},
            "security": [{"apiKey": []}, {"bearer": []}],
        },
    }
    api = _Api(app)
    api.ma_plugin.converter.add_attribute_function(_document_field)
    for name, scheme in _SECURITY_SCHEMES.items():
        api.spec.components.security_scheme(name, scheme)
    for enumeration in enumerations.ALL:
        api.spec.components.schema(enumeration.name, enumeration.schema)
    api.spec.components.schema("Problem", schema=schemas.Problem)
    return api


class _Api(Api):  # type: ignore[misc]  # flask-smorest has no types
    # Every response is documented where it can happen; none of flask-smorest's defaults is one of ours.
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Leave errors to `problems`."""

    def _register_responses(self) -> None:
        """Keep the default responses out of the document."""

    def _register_pagination_header(self) -> None:
        """Keep flask-smorest's way of paging out of the document."""


def _document_field(_converter: Any, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    """Change what apispec says of a field, `ret`, to what generators of code understand.

    An enumeration is a reference to its name. What may be null is `anyOf`, not a list of types. Two keywords of JSON
    Schema that apispec leaves out are added.
    """
    ret |= {name: field.metadata[name] for name in ("propertyNames", "const") if name in field.metadata}
    if isinstance(field, Choice):
        for name in ("type", "enum"):
            ret.pop(name, None)
        ret |= field.enumeration.reference
    if field.allow_none:
        value = {name: ret.pop(name) for name in list(ret) if name not in _ANNOTATIONS}
        if "type" in value:
            value["type"] = next(type_ for type_ in value["type"] if type_ != "null")
        ret["anyOf"] = [value, {"type": "null"}]
    return ret


def _add_failure(responses: dict[int, Any], failure: Failure) -> None:
    body = problems.EXAMPLES[failure] if isinstance(failure, int) else problem(failure)
    response = responses.setdefault(body["status"], {"description": body["title"]})
    if body["title"] not in response["description"]:
        response["description"] += f"; or: {body['title']}"
    content = response.setdefault("content", {}).setdefault(
        "application/problem+json", {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
    )
    name = body["type"].removeprefix(enumerations.TYPE_PREFIX)
    content["examples"][str(body["status"]) if name == "about:blank" else name] = {"value": body}
    for name, value in problems.HEADERS.get(body["status"], {}).items():
        response.setdefault("headers", {})[name] = _header(f"As `{value}`.") | {"required": True}

"""What a receiver gets, for the OpenAPI document: one POST for each event, in the webhook's payload format."""

from typing import Any

from flask_smorest import Api

from webhook_admin import formats
from webhook_admin.events import Status
from webhook_admin.web import enumerations


def describe(api: Api) -> None:
    """Add each payload format's body to the document's schemas, under the name that its class is to have."""
    for name, module in formats.FORMATS.items():
        api.spec.components.schema(_class_name(name), _with_references(module.SCHEMA))
    api.spec.components.schema("Notification", _NOTIFICATION)


def _with_references(schema: Any) -> Any:
    """The schema, its lists of strings replaced by references where they have a name in the document."""
    if isinstance(schema, list):
        return list(map(_with_references, schema))
    if not isinstance(schema, dict):
        return schema
    for enumeration in enumerations.ALL:
        if schema.get("enum") == list(enumeration):
            return enumeration.reference
    return {name: _with_references(below) for name, below in schema.items()}


def _class_name(name: str) -> str:
    return "".join(map(str.capitalize, name.split("-")))


def _header(name: str, description: str, *, required: bool = True) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string"},
    }


def _example(name: str) -> dict[str, Any]:
    bodies = formats.examples(name)
    return bodies.get(Status.DELIVERED) or next(iter(bodies.values()))


_NOTIFICATION = {
    "description": "What a receiver gets, in one of the payload formats.",
    "oneOf": [{"$ref": f"#/components/schemas/{_class_name(name)}"} for name in formats.FORMATS],
}
OPERATION: dict[str, Any] = {
    "operationId": "receiveDeliveryStatus",
    # Of no section that the document lists: those are of calls, and a generator keeps a file for each.
    "tags": ["notifications"],
    "summary": "A delivery-status event of one message",
    "description": "POSTed to the callback URL. Verify it by Standard Webhooks (https://www.standardwebhooks.com) with "
    "the webhook's signing secret. It may come more than once: the `webhook-id` is then the same, and so is the body.",
    "security": [],
    "parameters": [
        _header("webhook-id", "The delivery's id, the same at every attempt."),
        _header("webhook-timestamp", "When this attempt was made, in Unix seconds."),
        _header(
            "webhook-signature",
            "`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`. During a rotation there are two, "
            "separated by a space, that of the newest secret first: one fits. Missing only where there "
            "is no secret: in what goes to a message's own callback URL while the account has no webhook.",
            required=False,
        ),
        _header(
            "X-Signature",
            "In the format mta-v1 only: the lower-case hexadecimal HMAC-SHA256 of the body.",
            required=False,
        ),
        _header("webhook-test", "`true`: a test event, of a message that does not exist.", required=False),
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Notification"},
                "examples": {
                    name: {"summary": formats.description(name), "value": _example(name)} for name in formats.FORMATS
                },
            }
        },
    },
    "responses": {
        "200": {
            "description": "The notification has arrived. The formats take as success: "
            + ", ".join(f"{name} {formats.success(name)}" for name in formats.FORMATS)
            + "."
        },
        "410": {"description": "The receiver is gone: the webhook is disabled, and nothing more is sent."},
        "default": {"description": "The notification has not arrived. It is sent again, a limited number of times."},
    },
}

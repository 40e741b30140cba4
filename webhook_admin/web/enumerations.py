"""Lists of strings that programs compare with, each a schema of its own in the OpenAPI document, under its name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from webhook_admin import errors, formats
from webhook_admin.events import Channel, Reason, Status
from webhook_admin.field_errors import Code
from webhook_admin.portal_sessions import Access
from webhook_admin.queue.deliveries import State
from webhook_admin.sender.request import Outcome
from webhook_admin.verification.findings import FindingCode
from webhook_admin.webhook_enums import DisabledReason, Ordering, Superseded, WebhookStatus


@dataclass(frozen=True)
class Enumeration:
    """Some strings under one name."""

    name: str
    description: str
    values: tuple[str, ...]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema."""
        return {"type": "string", "enum": list(self.values), "description": self.description}

    @property
    def reference(self) -> dict[str, Any]:
        """A reference to the schema."""
        return {"$ref": f"#/components/schemas/{self.name}"}


def _strings(values: Any) -> tuple[str, ...]:
    return tuple(map(str, values))


def _kinds(base: type[errors.Error]) -> Iterator[type[errors.Error]]:
    for kind in base.__subclasses__():
        yield from (kind, *_kinds(kind))


TYPE_PREFIX = "urn:webhook-admin:"
"""What a problem's type begins with, before the error's code."""
_CODES = dict.fromkeys(kind.code for kind in _kinds(errors.Error) if kind is not errors.Misconfigured)

CHANNEL = Enumeration("Channel", "How the message travels.", _strings(Channel))
MESSAGE_STATUS = Enumeration("MessageStatus", "What has become of the message.", _strings(Status))
REASON = Enumeration("Reason", "Why the message has not arrived.", _strings(Reason))
PAYLOAD_FORMAT_NAME = Enumeration("PayloadFormatName", "How notifications are written.", _strings(formats.FORMATS))
SUCCESS_RULE = Enumeration(
    "SuccessRule",
    "The HTTP status by which a receiver acknowledges; `2xx` is any from 200 to 299.",
    _strings(dict.fromkeys(str(formats.success(name)) for name in formats.FORMATS)),
)
WEBHOOK_STATUS = Enumeration(
    "WebhookStatus", "DISABLED: nothing is sent; PUT makes it ACTIVE again.", _strings(WebhookStatus)
)
DISABLED_REASON = Enumeration(
    "DisabledReason",
    "GONE: the receiver has answered 410. FAILING: it has failed for too long, 5 days if the platform has not set "
    "another time.",
    _strings(DisabledReason),
)
ORDERING = Enumeration(
    "Ordering",
    "Which notifications wait for each other. message: of one message on one channel, none is started while an earlier "
    "accepted one is pending.",
    _strings(Ordering),
)
SUPERSEDED = Enumeration(
    "Superseded",
    "What becomes of a pending notification when a newer status of its message and channel has been accepted. skip: it "
    "is not sent, and its delivery is SKIPPED.",
    _strings(Superseded),
)
DELIVERY_STATE = Enumeration(
    "DeliveryState",
    "PENDING: it waits for its next attempt, or one is in flight. DELIVERED: the receiver has acknowledged. FAILED: no "
    "attempt was successful, and none will follow. CANCELLED: its webhook was deleted or disabled, its account was "
    "deleted, or its recipient erased. SKIPPED: the payload format cannot express the event, or a newer status has "
    "superseded it.",
    _strings(State),
)
DELIVERY_ORDER = Enumeration("DeliveryOrder", "desc: the newest first. asc: the oldest first.", ("desc", "asc"))
OUTCOME = Enumeration("Outcome", "What came of an attempt.", _strings(Outcome))
PROBLEM_TYPE = Enumeration(
    "ProblemType",
    "Which problem it is, for programs. `about:blank`: the HTTP status says it all.",
    ("about:blank", *(TYPE_PREFIX + code for code in _CODES)),
)
FINDING_CODE = Enumeration(
    "FindingCode",
    "What is wrong with a notification as a receiver has it, for programs.",
    _strings(FindingCode),
)
PORTAL_ACCESS = Enumeration(
    "PortalAccess", "How much a portal link lets do. full: look, and change. read: look.", _strings(Access)
)
FIELD_ERROR_CODE = Enumeration("FieldErrorCode", "What is wrong with an input, for programs.", get_args(Code))

ALL = [value for value in list(vars().values()) if isinstance(value, Enumeration)]

"""What can go wrong, each with its own words: a code for programs, a title for the kind, a sentence for people."""

from collections.abc import Sequence
from typing import ClassVar

from webhook_admin.field_errors import FieldError


class Error(Exception):
    """The base of every error that a user of the service can cause or meet; `str(error)` is a plain sentence."""

    code: ClassVar[str]
    title: ClassVar[str]
    detail: ClassVar[str] = ""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.detail)


class InvalidInput(Error):
    """The input breaks a rule; `errors` names each field that does."""

    code = "invalid-input"
    title = "The request is not valid"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(" ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = errors


class AccountNotNamed(InvalidInput):
    """A platform key on an account's resource, and no account named."""

    code = "account-not-named"

    def __init__(self) -> None:
        message = "A platform key acts for an account: name the account in this header."
        super().__init__([FieldError("X-Account-Id", "required", message)])


class Unauthenticated(Error):
    """No usable API key; deliberately the same words whatever the reason."""

    code = "unauthenticated"
    title = "A valid API key is required"
    detail = "Send a valid API key in the X-API-Key header, or as a Bearer token in the Authorization header."


class Forbidden(Error):
    """The API key is valid and of the wrong kind."""

    code = "forbidden"
    title = "This API key may not do that"


class PlatformKeyRequired(Forbidden):
    detail = "This call needs a platform key; the API key that was sent is an account key."


class OtherAccount(Forbidden):
    detail = "An account key acts for its own account only; leave X-Account-Id out or send the key's own account."


class TooManyRequests(Error):
    code = "too-many-requests"
    title = "Too many requests"
    detail = "This API key makes more requests a second than it may. Wait for as long as Retry-After says."


class NotFound(Error):
    """The thing that the request names is not there."""

    code = "not-found"
    title = "Not found"


class AccountNotFound(NotFound):
    code = "account-not-found"
    title = "No such account"
    detail = "There is no account with this id. Create it with PUT /accounts/{id}."


class KeyNotFound(NotFound):
    code = "key-not-found"
    title = "No such API key"
    detail = "There is no API key with this id; it may have been revoked already."


class WebhookNotFound(NotFound):
    code = "webhook-not-found"
    title = "No webhook is configured"
    detail = "This account has no delivery-status webhook. Create one with POST /webhooks/delivery-status."


class DeliveryNotFound(NotFound):
    code = "delivery-not-found"
    title = "No such delivery"
    detail = "There is no delivery with this id. GET /deliveries lists those of an account."


class Conflict(Error):
    """The request does not fit what is there already."""

    code = "conflict"
    title = "Conflict"


class AccountExists(Conflict):
    code = "account-exists"
    title = "The account exists already"
    detail = "There is an account with this id already."


class TooManyKeys(Conflict):
    code = "too-many-keys"
    title = "The account has two active API keys"
    detail = (
        "An account may have two active API keys, so that one can be replaced without a gap. "
        "Revoke one with DELETE /accounts/{id}/keys/{keyId} first."
    )


class WebhookExists(Conflict):
    code = "webhook-exists"
    title = "A webhook is configured already"
    detail = (
        "This account has a delivery-status webhook already. Change it with PUT /webhooks/delivery-status, "
        "or remove it with DELETE /webhooks/delivery-status first."
    )


class RotationInProgress(Conflict):
    """The secret before the latest rotation is still valid, and another rotation would end that."""

    code = "rotation-in-progress"
    title = "The overlap of the latest rotation has not ended"
    detail = (
        "Notifications are still signed with the previous secret, too, until the webhook's previousSecretExpiresAt. "
        "Another rotation would end that now, and a receiver that still verifies with it would refuse them. If yours "
        "has the newest secret, end the overlap with DELETE /webhooks/delivery-status/previous-secret and rotate "
        "again, or rotate with force."
    )


class NothingToSendTo(Conflict):
    code = "nothing-to-send-to"
    title = "There is nothing to send to"
    detail = (
        "This account has no delivery-status webhook. Create one with POST /webhooks/delivery-status, then resend: "
        "deliveries go to the URL that is registered at that time."
    )


class WebhookDisabled(Conflict):
    """A webhook that nothing is sent to."""

    code = "webhook-disabled"
    title = "The webhook is disabled"
    detail = (
        "Nothing is sent to a disabled webhook; its disabledReason says why. PUT /webhooks/delivery-status makes it "
        "active again."
    )


class DeliveryInFlight(Conflict):
    code = "delivery-in-flight"
    title = "An attempt is in flight"
    detail = (
        "An attempt is being made for this delivery at the moment, or its dispatcher has stopped in the middle of one. "
        "Nothing has been changed. See what has come of the attempt with GET /deliveries/{id}, then resend."
    )


class TestNotResent(Conflict):
    """A delivery of a test event, which has one attempt."""

    __test__ = False  # or pytest would take the class for tests
    code = "test-not-resent"
    title = "A test is sent once"
    detail = "Deliveries of test events are not resent. Send another with POST /webhooks/delivery-status/test."


class DeliveryErased(Conflict):
    """A delivery whose event is gone, so that there is nothing to send."""

    code = "delivery-erased"
    title = "The delivery has been erased"
    detail = "The recipient's data has been erased from this delivery: there is nothing left to send."


class EventConflict(Conflict):
    """An event's id is on record for its account with other content."""

    code = "event-conflict"
    title = "The event is on record with other content"

    def __init__(self, event_id: str, account_id: str) -> None:
        super().__init__(
            f"The event {event_id} of account {account_id} is on record already, and says something else. "
            "Nothing has been stored. An event's id stands for one content; give a new event a new id."
        )


class PreconditionFailed(Error):
    code = "precondition-failed"
    title = "The webhook is not in the state that the request demands"
    detail = (
        "The webhook's current ETag is not among those of If-Match, or it is among those of If-None-Match. "
        "Read the webhook again with GET and repeat the change."
    )


class StoreUnavailable(Error):
    """The store cannot be reached, or cannot take the work; nothing has been changed.

    `cause` says which store and why: for operators, in the log and at the command line, and not for callers of the API.
    """

    code = "store-unavailable"
    title = "The store is not available"
    detail = "The service cannot reach its store at the moment. Nothing has been changed; try again shortly."

    def __init__(self, cause: str = "") -> None:
        super().__init__()
        self.cause = cause or self.detail


class Misconfigured(Error):
    """A setting, or the machine around the service, does not allow it to start."""

    code = "misconfigured"
    title = "The service cannot start"

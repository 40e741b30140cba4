"""The enumerations of a webhook: its status, and its options."""

from enum import StrEnum


class WebhookStatus(StrEnum):
    """Whether notifications are sent."""

    ACTIVE = "ACTIVE"
    """They are."""
    DISABLED = "DISABLED"
    """They are not, until the webhook is changed with PUT; `disabledReason` says why."""


class DisabledReason(StrEnum):
    """Why a webhook is disabled."""

    GONE = "GONE"
    """The receiver has answered 410 Gone."""
    FAILING = "FAILING"
    """No notification has been acknowledged for `DISABLE_AFTER`, 5 days if not set."""


class Ordering(StrEnum):
    """Which notifications wait for each other."""

    NONE = "none"
    """None does."""
    MESSAGE = "message"
    """Of one message on one channel, no notification is started while an earlier accepted one is pending."""


class Superseded(StrEnum):
    """What becomes of a pending notification when a newer status of its message and channel has been accepted."""

    SEND = "send"
    """It is sent all the same."""
    SKIP = "skip"
    """It is not sent: its delivery is SKIPPED."""

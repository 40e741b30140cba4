"""The payload formats that a webhook may choose from, by name."""

from enum import StrEnum


class PayloadFormat(StrEnum):
    """How an event is written into the body of a notification."""

    STANDARD = "standard"
    """Our own: message id, channel, status, timestamp and error details. Success is any 2xx."""
    PHONOVATION_V2 = "phonovation-v2"
    """The processing result of Phonovation's V2 campaigns. Success is 200."""
    ROUTEE = "routee"
    """Routee's SMS delivery report. Success is 200."""
    INSIDER = "insider"
    """Insider's transactional SMS events. Success is 200."""
    MTA_V1 = "mta-v1"
    """MTA's delivery status, version 1. Success is exactly 200."""

"""The shapes of a rotation of the signing secret."""

from typing import Any

from marshmallow import fields

from webhook_admin.signing_secrets import DEFAULT_OVERLAP, MAX_OVERLAP
from webhook_admin.web.event_fields import integer
from webhook_admin.web.fields import Checked, Flag, Text, Timestamp
from webhook_admin.web.records import Answer, Record
from webhook_admin.web.schemas import PREVIOUS_SECRET_EXPIRES_AT, SIGNING_SECRET


class Overlap(Checked, fields.Integer):
    """A number of seconds, up to a week."""

    default_error_messages = {"invalid": f"Must be a whole number from 0 to {MAX_OVERLAP} (7 days)."}

    def _deserialize(self, value: Any, *_args: Any, **_options: Any) -> int:
        number = integer(value)
        if number is None or not 0 <= number <= MAX_OVERLAP:
            raise self.make_error("invalid")
        return number


class RotationInput(Record):
    overlap_seconds = Overlap(
        metadata={
            "minimum": 0,
            "maximum": MAX_OVERLAP,
            "description": "For how long notifications are signed with the present secret, too. Left out: "
            f"{DEFAULT_OVERLAP} (1 day). 0: it stops at once.",
        }
    )
    force = Flag(
        metadata={
            "description": "true: also while the overlap of another rotation runs. Its previous secret stops at once."
        }
    )


class Rotation(Answer):
    signing_secret = Text(required=True, metadata=SIGNING_SECRET)
    previous_secret_expires_at = Timestamp(required=True, allow_none=True, metadata=PREVIOUS_SECRET_EXPIRES_AT)

"""The shapes of a rotation of the signing secret."""

from webhook_admin.signing_secrets import DEFAULT_OVERLAP, MAX_OVERLAP
from webhook_admin.web.fields import Flag, Text, Timestamp
from webhook_admin.web.records import Answer, Record
from webhook_admin.web.schemas import PREVIOUS_SECRET_EXPIRES_AT, SIGNING_SECRET
from webhook_admin.web.seconds import Seconds


class RotationInput(Record):
    overlap_seconds = Seconds(
        0,
        MAX_OVERLAP,
        "7 days",
        "For how long notifications are signed with the present secret, too. Left out: "
        f"{DEFAULT_OVERLAP} (1 day). 0: it stops at once.",
    )
    force = Flag(
        metadata={
            "description": "true: also while the overlap of another rotation runs. Its previous secret stops at once."
        }
    )


class Rotation(Answer):
    signing_secret = Text(required=True, metadata=SIGNING_SECRET)
    previous_secret_expires_at = Timestamp(required=True, allow_none=True, metadata=PREVIOUS_SECRET_EXPIRES_AT)

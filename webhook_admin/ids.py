"""Identifiers: opaque, prefixed with what they name, and in the order of their making."""

from datetime import datetime

from uuid_utils import uuid7


def new_id(prefix: str) -> str:
    """`prefix`, an underscore, and the 32 hexadecimal digits of a UUID of version 7 (RFC 9562): the time first."""
    return f"{prefix}_{uuid7().hex}"


def first_id(prefix: str, moment: datetime) -> str:
    """What no id of the prefix that is made at this moment or later, to the millisecond, comes before."""
    milliseconds = max(int(moment.timestamp() * 1_000), 0)
    return f"{prefix}_{milliseconds:012x}"

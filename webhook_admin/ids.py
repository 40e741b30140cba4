"""Identifiers: opaque, prefixed with what they name, and in the order of their making."""

from uuid_utils import uuid7


def new_id(prefix: str) -> str:
    """`prefix`, an underscore, and the 32 hexadecimal digits of a UUID of version 7 (RFC 9562): the time first."""
    return f"{prefix}_{uuid7().hex}"

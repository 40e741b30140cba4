"""What can be wrong with an input."""

from typing import Literal, NamedTuple

Code = Literal[
    # of a body as a whole
    "not_json",
    "not_utf8",
    "too_deep",
    "too_many_values",
    "number_too_long",
    "duplicate_key",
    "invalid_character",
    "incomplete",
    "more",
    # of any field, parameter or header
    "required",
    "null",
    "invalid",
    "wrong_type",
    "empty",
    "too_long",
    "too_many",
    "malformed",
    "unknown_field",
    "unknown_value",
    "repeated",
    # of single ones
    "bad_name",
    "misplaced",
    "in_the_past",
    "invalid_account_id",
    "other_account",
    "unknown_account",
    # of callback URLs
    "not_https",
    "has_userinfo",
    "has_fragment",
    "invalid_host",
    "lookalike_host",
    "invalid_address",
    "private_host",
    "private_address",
    "invalid_port",
    "forbidden_port",
]
"""What is wrong with an input, for programs. Part of the API: a code keeps its meaning."""


class FieldError(NamedTuple):
    """One thing that is wrong with one field, parameter or header of the input."""

    field: str
    code: Code
    message: str

"""How the pages say spans of time, and what came from elsewhere."""

import pytest

from webhook_admin.portal import words


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (40_000, "40 s"),
        (60_000, "1 min"),
        (150_000, "2 min 30 s"),
        (3_600_000, "1 h"),
        (90_000_000, "1 d 1 h"),
    ],
)
def test_a_span_has_its_largest_units(milliseconds: int, said: str) -> None:
    """Two at most."""
    assert words.span(milliseconds) == said


def test_what_came_from_elsewhere_has_no_control_characters() -> None:
    """Lines stay lines; signs that turn the direction of writing round are replaced."""
    assert words.shown("a\tb\r\n\u202ec\x1b[0m\x00") == "a b\n\ufffdc\ufffd[0m\ufffd"

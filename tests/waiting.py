"""Waiting for a condition."""

import time
from collections.abc import Callable
from typing import Any

import pytest


def wait_until(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """The first true value of `condition`, which fails the test unless it comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    pytest.fail(f"not within {seconds} s")

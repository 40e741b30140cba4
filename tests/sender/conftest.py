"""Fixtures of the sender's tests."""

from collections.abc import Iterator

import pytest

from tests.receiver import Receiver
from tests.sender.sending import LOOPS


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that the senders of these tests trust."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """The name of an event loop; every test that takes it runs on both."""
    name: str = request.param
    return name

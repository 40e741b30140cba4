"""Bodies are read within a deadline, and only as many large ones at once as memory allows."""

import pytest

from webhook_admin.server.bodies import LARGE, Budget, NoRoom, Unread, Wanted


def test_large_bodies_share_a_budget() -> None:
    """A body that does not fit is refused, and fits once another one has been answered; small ones always fit."""
    budget = Budget(total=3 * LARGE)
    with budget.reserve(2 * LARGE):
        with pytest.raises(NoRoom), budget.reserve(2 * LARGE):
            pytest.fail("it does not fit")
        with budget.reserve(LARGE):
            pass
    with budget.reserve(3 * LARGE):
        pass


def test_a_failure_gives_the_room_back() -> None:
    """Whatever becomes of a request, its room is free afterwards."""
    budget = Budget(total=2 * LARGE)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), budget.reserve(2 * LARGE):
            raise ZeroDivisionError


@pytest.mark.parametrize("method", ["read", "readline", "readlines", "__iter__"])
def test_a_body_that_has_not_been_read_says_so(method: str) -> None:
    """However an application reads, it is interrupted, and not by an error that it could take for its own."""
    with pytest.raises(Wanted):
        getattr(Unread(), method)()
    assert not issubclass(Wanted, Exception)

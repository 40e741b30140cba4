"""Places, shares and windows: what one account may take, and what is left for others (design, section 3)."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook_admin.dispatch.fair_shares import GROUPS, Places, Window, turns
from webhook_admin.queue.lanes import Standing

QUICK, SLOW, UNTRIED, FAILING = Standing.QUICK, Standing.SLOW, Standing.UNTRIED, Standing.FAILING


@dataclass(eq=False)
class Lane:
    """A lane with so many requests in flight that may start so many more."""

    name: str
    free_slots: int = 1_000
    in_flight: list[str] = field(default_factory=list)


def take(places: Places, count: int, standing: Standing, account_id: str = "a") -> None:
    """So many requests start."""
    for _ in range(count):
        places.take(account_id, GROUPS[standing])


def order(places: Places, *ready: tuple[Standing, str, list[Lane]], limit: int = 1_000) -> list[str]:
    """The names of the lanes that start a request, in order."""
    found: dict[Standing, dict[str, list[Lane]]] = {standing: {} for standing in Standing}
    names: dict[Lane, tuple[str, str]] = {}
    for standing, account_id, lanes in ready:
        found[standing][account_id] = lanes
        names |= dict.fromkeys(lanes, (account_id, GROUPS[standing]))
    started = []
    for lane in turns(places, found):
        places.take(*names[lane])
        started.append(lane.name)
        if len(started) == limit:
            break
    return started


def test_a_lone_account_takes_what_is_left_free_and_no_more() -> None:
    """Of 800 places, two other groups are sure of 100 each; it has 200 of 600 when it may have 400² / 800, as many."""
    places = Places(800)
    assert places.free(QUICK) == 600
    assert len(order(places, (QUICK, "a", [Lane("a")]))) == 200
    assert (places.free(QUICK), places.share(QUICK)) == (400, 200)


@pytest.mark.parametrize("accounts", [1, 10, 100, 1_000])
def test_a_newcomer_finds_a_place(accounts: int) -> None:
    """However many accounts have taken what they can, there is a place for one that has none."""
    places = Places(2_000)
    order(places, *((QUICK, f"a{number}", [Lane("old")]) for number in range(accounts)), limit=100_000)
    assert order(places, (QUICK, "newcomer", [Lane("new")]), limit=1) == ["new"]


def test_the_account_with_the_fewest_comes_first() -> None:
    """Each account gets one before any gets two, and what is in flight already counts."""
    places = Places(800)
    take(places, 2, QUICK, "c")
    ready = [(QUICK, "a", [Lane("a")]), (QUICK, "b", [Lane("b")]), (QUICK, "c", [Lane("c")])]
    assert order(places, *ready, limit=7) == ["a", "b", "a", "b", "c", "a", "b"]


def test_of_an_account_the_lane_with_the_fewest_comes_first() -> None:
    """Lanes of one account share alike, as long as they may start requests."""
    lanes = [Lane("one", in_flight=["dlv_1"]), Lane("two", free_slots=2), Lane("three")]
    assert order(Places(800), (QUICK, "a", lanes), limit=6) == ["two", "three", "one", "two", "three", "one"]


def test_the_unproven_have_half_and_the_failing_three_quarters_of_it() -> None:
    """However many receivers hang, the other half of all places is for those that answer."""
    places = Places(800)
    take(places, 300, FAILING)
    assert (places.free(FAILING), places.free(UNTRIED)) == (0, 100)
    take(places, 100, UNTRIED)
    assert (places.free(UNTRIED), places.free(QUICK)) == (0, 300)


def test_each_group_is_sure_of_an_eighth() -> None:
    """Quick lanes leave room for slow and unproven ones, and slow ones for quick ones, even where nobody else is."""
    places = Places(800)
    take(places, 600, QUICK)
    assert (places.free(QUICK), places.free(SLOW), places.free(UNTRIED)) == (0, 100, 100)
    assert places.free(FAILING) == 75


@pytest.mark.parametrize("max_in_flight", [2, 3, 8, 10])
def test_a_small_dispatcher_serves_everybody(max_in_flight: int) -> None:
    """Also with two places, a lane of any standing may start a request when nothing is in flight."""
    places = Places(max_in_flight)
    assert all(places.free(standing) > 0 < places.share(standing) for standing in Standing)


@given(
    max_in_flight=st.integers(2, 400),
    ready=st.lists(st.tuples(st.sampled_from(Standing), st.integers(0, 5), st.integers(1, 60)), max_size=20),
    before=st.lists(st.tuples(st.sampled_from(Standing), st.integers(0, 5)), max_size=40),
)
def test_limits_hold_whatever_is_ready(
    max_in_flight: int, ready: list[tuple[Standing, int, int]], before: list[tuple[Standing, int]]
) -> None:
    """Never more in flight than the maximum, nor unproven ones than half; no account gets beyond its share."""
    places = Places(max_in_flight)
    for standing, account in before:
        if places.free(standing):
            take(places, 1, standing, str(account))
    found: dict[Standing, dict[str, dict[Lane, None]]] = {standing: {} for standing in Standing}
    for standing, account, slots in ready:
        found[standing].setdefault(str(account), {})[Lane(f"{standing} {account}", slots)] = None
    starts: Counter[Lane] = Counter()
    for lane in turns(places, found):
        name, account_id = lane.name.split()
        assert places.taken(account_id, Standing(name)) < places.share(Standing(name))
        take(places, 1, Standing(name), account_id)
        starts[lane] += 1
    assert all(count <= lane.free_slots for lane, count in starts.items())
    assert places.in_flight <= max_in_flight
    unproven = sum(places.taken(str(account), UNTRIED) for account in range(6))
    assert unproven <= max(max_in_flight // 2, 1)


def test_a_window_doubles_in_a_round_trip_until_it_has_failed() -> None:
    """One more for each success; beyond the threshold, one more for a whole window of successes."""
    window = Window()
    for _ in range(15):
        window.succeeded(50)
    assert window.size == 16
    window.failed()
    assert (window.size, window.threshold) == (8, 8)
    for _ in range(8):
        window.succeeded(50)
    assert 8.9 < window.size < 9.1


def test_a_window_has_bounds() -> None:
    """It is never smaller than one, and never larger than the setting."""
    window = Window()
    for _ in range(20):
        window.succeeded(10)
    assert window.size == 10
    for _ in range(20):
        window.failed()
    assert window.size == 1

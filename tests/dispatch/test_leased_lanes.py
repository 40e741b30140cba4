"""Whose turn it is, among the lanes that a dispatcher holds (design, section 3)."""

import itertools
from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from webhook_admin.dispatch.leased_lanes import QUANTUM, Holdings
from webhook_admin.queue.deliveries import Wanted
from webhook_admin.queue.lanes import Key, Lease, Release

NOW = 1_780_000_000_000
SECOND = 1_000
ETAG = "wh_1.1"
NUMBERS = itertools.count()


def key(number: int) -> Key:
    """A lane of an account of its own."""
    return Key(f"a{number:04}", "")


def held(*failures: int, most: int = 500, most_per_lane: int = 10) -> Holdings:
    """Lanes 0, 1, ..., just leased, after so many failures each."""
    holdings = Holdings(most, most_per_lane)
    holdings.take([Lease(key(number), count, None) for number, count in enumerate(failures)], NOW)
    return holdings


def start(holdings: Holdings, now: int = NOW) -> list[tuple[Key, str]]:
    """Start every request that is wanted, as if each lane had a backlog."""
    started = [(key, f"dlv_{next(NUMBERS)}") for key, most, _ in holdings.wanted(now) for _ in range(most)]
    for each in started:
        holdings.started(*each, ETAG)
    return started


def end(holdings: Holdings, started: Sequence[tuple[Key, str]], now: int = NOW, *, delivered: bool = True) -> None:
    """Let requests end."""
    for key, delivery_id in started:
        holdings.ended(key, delivery_id, delivered, now)


def release(holdings: Holdings, now: int = NOW) -> Release:
    """How the one lane is given back."""
    (only,) = holdings.idle(now, closing=True)
    return only


def fail(count: int, now: int = NOW) -> Holdings:
    """Lane 0 after so many failures, one after the other."""
    holdings = held(0)
    for number in range(count):
        holdings.started(key(0), str(number), ETAG)
        holdings.ended(key(0), str(number), delivered=False, now=now)
    return holdings


def test_a_lane_begins_with_one_request() -> None:
    """Nobody knows yet whether its receiver answers."""
    assert held(0).wanted(NOW) == [Wanted(key(0), 1, [])]


def test_a_lane_that_answers_gets_up_to_its_most() -> None:
    """Its requests double with each success: 1, 2, 4, 8, and then 10, which is the setting."""
    holdings = held(0)
    counts = []
    for _ in range(6):
        started = start(holdings)
        counts.append(len(started))
        end(holdings, started[:1])
        end(holdings, started[1:])
    assert counts[0] == 1
    assert counts[1] == 2
    assert counts[-1] == max(counts) == 10


def test_what_is_under_way_is_named() -> None:
    """The store is asked for other deliveries than those that are being sent."""
    holdings = held(0)
    end(holdings, start(holdings))
    holdings.started(key(0), "dlv_2", ETAG)
    assert holdings.wanted(NOW) == [Wanted(key(0), 1, ["dlv_2"])]


def test_one_each_before_a_second_for_any() -> None:
    """A lane with a backlog gets no second request as long as another waits for its first."""
    holdings = held(0, 0, 0, most=3)
    holdings.started(key(0), "first", ETAG)
    holdings.ended(key(0), "first", delivered=True, now=NOW)
    grants = {each.key: each.most for each in holdings.wanted(NOW)}
    assert grants == {key(0): 1, key(1): 1, key(2): 1}


def test_no_room_without_end() -> None:
    """It leases no more lanes than it has requests left for."""
    holdings = held(0, 0, 0, most=5)
    assert holdings.room(NOW) == 2
    started = start(holdings)
    assert holdings.room(NOW) == 2
    end(holdings, started[:1])
    assert holdings.room(NOW) == 2
    holdings.forget([key(0)])
    assert holdings.room(NOW) == 3


def test_a_backlog_does_not_hold_a_place_for_long() -> None:
    """After its time, a lane makes room for those that are not held yet, and goes to the end of the queue."""
    holdings = held(0, most=2)
    later = NOW + QUANTUM
    assert holdings.idle(later - 1, closing=False) == []
    assert holdings.idle(later, closing=False) == [Release(key(0), 0, 0, None, later)]
    assert holdings.room(later) == 2


def test_a_lane_without_anything_due_is_given_back() -> None:
    """It is due again when its next delivery is; the store knows when."""
    holdings = held(0)
    wanted = holdings.wanted(NOW)
    holdings.found(wanted, {})
    assert holdings.wanted(NOW) == []
    assert holdings.idle(NOW, closing=False) == [Release(key(0), 0, 0, None, 0)]


def test_a_wake_up_is_for_every_lane() -> None:
    """There may be something new in a lane that had nothing left."""
    holdings = held(0)
    wanted = holdings.wanted(NOW)
    holdings.found(wanted, {})
    holdings.wake()
    assert holdings.wanted(NOW) == wanted


def test_a_lane_with_requests_under_way_is_not_given_back() -> None:
    """Not even at the end: what is under way has to be recorded first."""
    holdings = held(0)
    start(holdings)
    assert holdings.idle(NOW + 10 * QUANTUM, closing=True) == []


def test_five_failures_in_a_row_put_the_lane_off() -> None:
    """10 s after the fifth, and doubling; four do nothing."""
    assert release(fail(4)).paused_until <= NOW
    assert release(fail(5)).paused_until == NOW + 10 * SECOND
    assert release(fail(5)).failures == 5
    assert fail(5).wanted(NOW + 10 * SECOND - 1) == []
    assert fail(5).wanted(NOW + 10 * SECOND) == [Wanted(key(0), 1, [])]


def test_each_probe_that_fails_doubles_the_pause() -> None:
    """20 s, 40 s, 80 s, 160 s, 320 s, and then 10 minutes for ever."""
    for failures, seconds in [(5, 20), (6, 40), (7, 80), (8, 160), (9, 320), (10, 600), (1_000, 600)]:
        holdings = held(failures)
        end(holdings, start(holdings), delivered=False)
        assert release(holdings).paused_until == NOW + seconds * SECOND


def test_one_probe_at_a_time() -> None:
    """After a pause, one request asks whether the receiver is back."""
    assert held(7).wanted(NOW) == [Wanted(key(0), 1, [])]


def test_requests_that_fail_together_are_no_row() -> None:
    """A receiver's restart fails all ten requests under way, and is followed by the first pause, not by the sixth."""
    holdings = held(0)
    for _ in range(5):
        end(holdings, start(holdings))
    started = start(holdings)
    assert len(started) == 10
    end(holdings, started, delivered=False)
    assert release(holdings).paused_until == NOW + 10 * SECOND


def test_a_success_opens_the_lane() -> None:
    """The first one ends the pause, whatever else has failed."""
    holdings = held(0)
    for _ in range(5):
        end(holdings, start(holdings))
    started = start(holdings)
    end(holdings, started[:5], delivered=False)
    assert holdings.wanted(NOW) == []
    end(holdings, started[5:])
    assert release(holdings) == Release(key(0), 0, 0, ETAG, NOW)


def test_lanes_that_fail_share_half() -> None:
    """However many receivers are dead, half of all requests are for those that answer."""
    holdings = held(*[1] * 20, 0, 0, most=10)
    started = start(holdings)
    doubtful = [each for each in started if each[0] < key(20)]
    assert (len(started), len(doubtful)) == (7, 5)
    assert not holdings.takes_doubtful


def test_lost_lanes_start_nothing() -> None:
    """What another dispatcher has taken meanwhile is not fetched from; what is under way may end."""
    holdings = held(0, 0)
    started = start(holdings)
    holdings.hold([Lease(key(1), 0, None)], NOW)
    end(holdings, started)
    assert holdings.leased == [key(1)]
    assert [each.key for each in holdings.wanted(NOW)] == [key(1)]


def test_lanes_that_it_has_forgotten_come_back() -> None:
    """The store decides which lanes it holds, whatever it believes after a failed transaction."""
    holdings = held(0)
    holdings.hold([Lease(key(0), 0, None), Lease(key(1), 3, None)], NOW)
    assert sorted(holdings.leased) == [key(0), key(1)]
    holdings.hold([], NOW)
    assert holdings.leased == []


def test_a_lane_taken_again_keeps_what_is_under_way() -> None:
    """A lane that was lost and leased again knows which of its deliveries are still being sent."""
    holdings = held(0)
    ((_, under_way),) = start(holdings)
    holdings.hold([], NOW)
    holdings.take([Lease(key(0), 0, None)], NOW)
    assert holdings.under_way == 1
    holdings.ended(key(0), under_way, delivered=True, now=NOW)
    assert holdings.wanted(NOW) == [Wanted(key(0), 2, [])]


@given(
    most=st.integers(2, 20),
    most_per_lane=st.integers(1, 10),
    failures=st.lists(st.sampled_from([0, 0, 0, 1, 4, 5, 9]), min_size=1, max_size=30),
    ends=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.booleans(), st.integers(0, 20_000)), max_size=60),
)
def test_limits_hold_whatever_happens(
    most: int, most_per_lane: int, failures: list[int], ends: list[tuple[float, bool, int]]
) -> None:
    """Never more than the most under way, in all and for each lane, and never more than half for doubtful lanes."""
    holdings, now, under_way = held(*failures, most=most, most_per_lane=most_per_lane), NOW, []
    doubtful = {key(number) for number, count in enumerate(failures) if count}
    for chance, delivered, wait in ends:
        before = sum(lane in doubtful for lane, _ in under_way)
        fresh = start(holdings, now)
        under_way += fresh
        granted = sum(lane in doubtful for lane, _ in fresh)
        assert holdings.under_way == len(under_way) <= most
        assert max(Counter(lane for lane, _ in under_way).values(), default=0) <= most_per_lane
        assert not granted or before + granted <= most // 2
        now += wait
        if under_way:
            lane, delivery = under_way.pop(int(chance * len(under_way)))
            holdings.ended(lane, delivery, delivered, now)
            (doubtful.discard if delivered else doubtful.add)(lane)


@given(st.integers(1, 60), st.integers(2, 10))
def test_every_lane_gets_its_turn(count: int, most: int) -> None:
    """With endless backlogs everywhere, each lane is served within as many rounds as it takes to serve each once."""
    holdings, served = held(*[0] * min(count, most), most=most), set()
    waiting = [key(number) for number in range(min(count, most), count)]
    now = NOW
    for _ in range(-(-count // most) + 1):
        started = start(holdings, now)
        served |= {lane for lane, _ in started}
        now += QUANTUM
        end(holdings, started, now)
        given_back = [each.key for each in holdings.idle(now, closing=False)]
        holdings.forget(given_back)
        waiting += given_back
        room = holdings.room(now)
        holdings.take([Lease(lane, 0, None) for lane in waiting[:room]], now)
        del waiting[:room]
    assert len(served) == count

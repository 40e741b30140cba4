"""What a dispatcher learns about its lanes, whose turn it is, and when a lane is given back (design, section 3)."""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook_admin.dispatch.leased_lanes import MAX_UNPROVEN_STARTS, QUANTUM, LeasedLanes
from webhook_admin.queue.due_lanes import FRONT, Leased, Position
from webhook_admin.queue.lanes import Key, Standing
from webhook_admin.queue.leases import Lease, Release

NOW = 1_780_000_000_000
SECOND = 1_000
NUMBERS = itertools.count()
Started = Sequence[tuple[Key, str]]


def key(number: int) -> Key:
    """A lane of an account of its own."""
    return Key(f"a{number:04}", "")


def lease(lane: Key, **learned: Any) -> Lease:
    """A lease of a lane whose latest attempt succeeded quickly, unless `learned` says otherwise."""
    known = {"failures": 0, "standing": Standing.QUICK, "window": 1.0, "threshold": None, "changed": False, **learned}
    return Lease(key=lane, **known)


def take(lanes: LeasedLanes, *leases: Lease, monotonic: int = 0, **left: Any) -> None:
    """Lease lanes."""
    lanes.take(Leased(leases=leases, **{"waiting": (), "after": {}} | left), monotonic)


def leased(*leases: Lease, max_in_flight: int = 500, max_per_lane: int = 10, max_starts: int = 500) -> LeasedLanes:
    """A dispatcher that leases these lanes."""
    lanes = LeasedLanes(max_in_flight, max_per_lane, max_starts)
    take(lanes, *leases)
    return lanes


def lane(**learned: Any) -> LeasedLanes:
    """A dispatcher that leases one lane."""
    return leased(lease(key(0), **learned))


def start(lanes: LeasedLanes) -> Started:
    """Start every request that is wanted, as if each lane had a backlog."""
    started = [(each.key, f"dlv_{next(NUMBERS)}") for each in lanes.wanted() for _ in range(each.limit)]
    for each in started:
        lanes.started(*each)
    return started


def end(lanes: LeasedLanes, started: Started, now: int = NOW, *, success: bool = True, latency_ms: int = 20) -> None:
    """Let requests end."""
    for each in started:
        lanes.ended(*each, success=success, latency_ms=latency_ms, now=now)


def counts(lanes: LeasedLanes) -> dict[Key, int]:
    """How many requests each lane may start."""
    return {each.key: each.limit for each in lanes.wanted()}


def given_back(lanes: LeasedLanes, now: int = NOW) -> Release:
    """How the one lane is given back."""
    (only,) = lanes.releases(now, 0, closing=True)
    return only


def fail(count: int, **learned: Any) -> LeasedLanes:
    """A lane after so many failures, one after the other."""
    lanes = lane(**learned)
    for number in range(count):
        lanes.started(key(0), str(number))
        end(lanes, [(key(0), str(number))], success=False)
    return lanes


def grown(rounds: int = 5) -> LeasedLanes:
    """A lane whose window has grown to the maximum, 10."""
    lanes = lane()
    for _ in range(rounds):
        end(lanes, start(lanes))
    return lanes


def test_a_new_lane_begins_with_one_request() -> None:
    """Nobody knows yet whether its receiver answers."""
    assert counts(lane(standing=Standing.UNTRIED)) == {key(0): 1}


def test_a_window_is_kept() -> None:
    """A lane begins with as many requests as the dispatchers before have found that its receiver takes."""
    assert counts(lane(window=7.5)) == {key(0): 7}


def test_a_lane_that_answers_gets_up_to_the_maximum() -> None:
    """One more for each success, up to the setting."""
    lanes = lane()
    sizes = []
    for _ in range(6):
        started = start(lanes)
        sizes.append(len(started))
        end(lanes, started)
    assert sizes == [1, 2, 4, 8, 10, 10]


def test_what_is_in_flight_is_named() -> None:
    """The store is asked for other deliveries than those that are being sent."""
    lanes = lane(window=2)
    lanes.started(key(0), "dlv_1")
    (wanted,) = lanes.wanted()
    assert (wanted.key, wanted.limit, list(wanted.in_flight)) == (key(0), 1, ["dlv_1"])


def test_a_turn_starts_no_more_than_its_maximum() -> None:
    """Places may be free for more; those that had no turn are first in the next one."""
    lanes = leased(*(lease(key(number)) for number in range(5)), max_starts=3)
    first = start(lanes)
    assert [each for each, _ in first] == [key(0), key(1), key(2)]
    end(lanes, first)
    assert list(counts(lanes))[:2] == [key(3), key(4)]


def test_wanting_takes_no_places() -> None:
    """What is wanted may turn out not to be there."""
    lanes = lane(window=10)
    assert counts(lanes) == counts(lanes) == {key(0): 10}
    assert lanes.in_flight == 0
    assert lanes.can_start


def test_a_lane_without_anything_due_is_given_back() -> None:
    """It is due again when its next delivery is; the store knows when."""
    lanes = lane()
    lanes.found(lanes.wanted(), {})
    assert not lanes.can_start
    assert [(each.key, each.not_before) for each in lanes.releases(NOW, 0, closing=False)] == [(key(0), 0)]


def test_a_wake_up_is_for_every_lane() -> None:
    """There may be something new in a lane that had nothing left."""
    lanes = lane()
    lanes.found(lanes.wanted(), {})
    lanes.wake()
    assert counts(lanes) == {key(0): 1}


def test_a_lane_with_requests_in_flight_is_not_given_back() -> None:
    """Not even at the end: they have to be recorded first."""
    lanes = lane()
    start(lanes)
    assert lanes.releases(NOW, 10 * QUANTUM, closing=True) == []


def test_a_lane_is_kept_while_nobody_waits() -> None:
    """However long its requests take: only so can its window grow."""
    lanes = grown()
    assert lanes.releases(NOW, 100 * QUANTUM, closing=False) == []
    assert counts(lanes) == {key(0): 10}


@pytest.mark.parametrize(("standing", "stays"), [(Standing.QUICK, False), (Standing.SLOW, True)])
def test_a_lane_makes_room_for_those_that_wait(standing: Standing, stays: bool) -> None:
    """After its time, if lanes of its standing wait and its account has its share; it goes to the end of the queue."""
    lanes = leased(*(lease(Key("a", str(number))) for number in range(2)), max_in_flight=8)
    take(lanes, waiting=[standing])
    started = start(lanes)
    assert len(started) == 2
    assert lanes.releases(NOW, QUANTUM - 1, closing=False) == []
    assert lanes.releases(NOW, QUANTUM, closing=False) == []
    end(lanes, started)
    releases = [each.not_before for each in lanes.releases(NOW, QUANTUM, closing=False)]
    assert releases == ([] if stays else [NOW] * 2)


def test_a_lane_that_had_no_turn_keeps_its_place() -> None:
    """It is given back as it was leased, and not put behind those that came later."""
    lanes = leased(lease(key(0)), lease(Key("a0000", "https://orders.example.com")), max_in_flight=8)
    take(lanes, waiting=[Standing.QUICK])
    for number in range(6):
        lanes.started(key(0), str(number))
    (release,) = lanes.releases(NOW, QUANTUM, closing=False)
    assert (release.key.destination, release.not_before) == ("https://orders.example.com", 0)


def test_four_failures_do_not_pause_a_lane_and_five_do() -> None:
    """For 10 s, in the queue's time; the lane is given back for so long."""
    assert given_back(fail(4)).paused_until == 0
    release = given_back(fail(5))
    assert (release.failures, release.standing) == (5, Standing.FAILING)
    assert release.paused_until == release.not_before == NOW + 10 * SECOND
    assert not fail(5).can_start
    assert len(fail(5).releases(NOW, 0, closing=False)) == 1


@pytest.mark.parametrize(
    ("failures", "seconds"), [(5, 20), (6, 40), (7, 80), (8, 160), (9, 320), (10, 600), (1_000, 600)]
)
def test_each_probe_that_fails_doubles_the_pause(failures: int, seconds: int) -> None:
    """20 s, 40 s, 80 s, 160 s, 320 s, and then 10 minutes for ever."""
    lanes = lane(failures=failures, window=10)
    started = start(lanes)
    assert len(started) == 1
    end(lanes, started, success=False)
    assert given_back(lanes).paused_until == NOW + seconds * SECOND


def test_after_a_pause_the_window_opens_from_one() -> None:
    """Two requests follow the first success, not as many as before the outage."""
    lanes = lane(failures=5, window=1.0, threshold=8.0)
    end(lanes, start(lanes))
    assert len(start(lanes)) == 2


def test_requests_that_fail_together_count_once() -> None:
    """The restart of a receiver that fails ten requests at once halves the window and pauses nothing."""
    lanes = grown()
    started = start(lanes)
    assert len(started) == 10
    end(lanes, started, success=False)
    assert counts(lanes) == {key(0): 5}
    assert (given_back(lanes).failures, given_back(lanes).paused_until) == (1, 0)


def test_a_receiver_that_stays_away_pauses_its_lane() -> None:
    """Five rounds of failures, of ever fewer requests, are five failures in a row."""
    lanes, sizes = grown(), []
    while lanes.can_start:
        started = start(lanes)
        sizes.append(len(started))
        end(lanes, started, success=False)
    assert sizes == [10, 5, 2, 1, 1]
    assert given_back(lanes).paused_until == NOW + 10 * SECOND


def test_requests_that_started_before_a_pause_do_not_prolong_it() -> None:
    """However late they fail."""
    lanes = lane(failures=4, window=3)
    first, *others = start(lanes)
    end(lanes, [first], success=False)
    end(lanes, others, NOW + 60 * SECOND, success=False)
    assert given_back(lanes).paused_until == NOW + 10 * SECOND


def test_a_success_ends_a_pause() -> None:
    """The first one, whatever else has failed."""
    lanes = lane(failures=4, window=3)
    first, second, _ = start(lanes)
    end(lanes, [first], success=False)
    assert not lanes.can_start
    end(lanes, [second])
    assert lanes.can_start
    assert lanes.wanted()[0].limit == 1


@pytest.mark.parametrize(
    ("latency_ms", "success", "standing"),
    [(999, True, Standing.QUICK), (1_000, True, Standing.SLOW), (20, False, Standing.FAILING)],
)
def test_the_latest_attempt_gives_a_lane_its_standing(latency_ms: int, success: bool, standing: Standing) -> None:
    """Quick below a second, slow from there on, failing whatever it took."""
    lanes = lane(standing=Standing.UNTRIED)
    end(lanes, start(lanes), success=success, latency_ms=latency_ms)
    assert given_back(lanes).standing is standing


def test_a_request_that_is_given_up_teaches_nothing() -> None:
    """It was not sent, and only gives its place back."""
    lanes = lane(standing=Standing.UNTRIED)
    (started,) = start(lanes)
    assert lanes.in_flight == 1
    lanes.given_up(*started)
    assert lanes.in_flight == 0
    assert (given_back(lanes).standing, given_back(lanes).window) == (Standing.UNTRIED, 1.0)


def test_a_request_gives_back_the_place_that_it_took() -> None:
    """Also when its lane's standing has changed meanwhile."""
    lanes = lane(window=2, standing=Standing.UNTRIED)
    first, second = start(lanes)
    end(lanes, [first], latency_ms=5_000)
    end(lanes, [second])
    assert lanes.in_flight == 0
    assert all(ask.share == fresh.share for ask, fresh in zip(lanes.asks(), leased().asks(), strict=True))


def test_it_asks_for_what_can_start() -> None:
    """As many lanes of each standing as may start in a turn, beside those that wait for their turn already."""
    lanes = leased(*(lease(key(number)) for number in range(3)), max_in_flight=80, max_starts=30)
    limits = {ask.standing: ask.limit for ask in lanes.asks()}
    assert limits == {
        Standing.QUICK: 27,
        Standing.SLOW: 30,
        Standing.UNTRIED: MAX_UNPROVEN_STARTS,
        Standing.FAILING: MAX_UNPROVEN_STARTS,
    }
    assert {ask.standing: dict(ask.held) for ask in lanes.asks()}[Standing.SLOW] == {}
    assert lanes.asks()[0].held == {"a0000": 1, "a0001": 1, "a0002": 1}


@pytest.mark.parametrize("standings", [(Standing.UNTRIED,), (Standing.FAILING,), (Standing.UNTRIED, Standing.FAILING)])
def test_few_unproven_lanes_start_in_a_turn(standings: Sequence[Standing]) -> None:
    """However many wait, a turn opens few new connections; the next turn goes on, and quick lanes are not held up."""
    unproven = [lease(key(number), standing=standings[number % len(standings)]) for number in range(100)]
    quick = [lease(key(number)) for number in range(100, 200)]
    lanes = leased(*unproven, *quick)
    wanted = {each.key for each in lanes.wanted()}
    assert len(wanted & {each.key for each in unproven}) == MAX_UNPROVEN_STARTS
    assert wanted >= {each.key for each in quick}
    assert lanes.can_start


def test_a_look_goes_on_where_it_ended() -> None:
    """And the next turn comes at once, until all due lanes have been looked at."""
    lanes = leased()
    take(lanes, after={Standing.UNTRIED: Position(5, "a")})
    assert lanes.is_looking
    assert {ask.standing: ask.after for ask in lanes.asks()}[Standing.UNTRIED] == Position(5, "a")
    take(lanes)
    assert not lanes.is_looking
    assert {ask.after for ask in lanes.asks()} == {FRONT}


def test_lost_lanes_start_nothing() -> None:
    """What another dispatcher has taken meanwhile is not fetched from; what is in flight may end."""
    lanes = leased(lease(key(0)), lease(key(1)))
    started = start(lanes)
    lanes.renewed([lease(key(1))], 0)
    end(lanes, started)
    assert lanes.leased == [key(1)]
    assert list(counts(lanes)) == [key(1)]


def test_lanes_that_it_has_forgotten_come_back() -> None:
    """The store decides which lanes it leases, whatever it believes after a failed transaction."""
    lanes = lane()
    lanes.renewed([lease(key(0)), lease(key(1))], 0)
    assert sorted(lanes.leased) == [key(0), key(1)]
    lanes.renewed([], 0)
    assert lanes.leased == []
    assert not lanes.can_start


def test_a_renewal_keeps_what_was_learned() -> None:
    """The row still has what the lane was leased with."""
    lanes = grown()
    lanes.renewed([lease(key(0))], 0)
    assert counts(lanes) == {key(0): 10}


@pytest.mark.parametrize("success", [True, False])
def test_requests_to_the_old_receiver_teach_nothing(success: bool) -> None:
    """They started before the webhook was changed, and end afterwards."""
    lanes = lane(window=3)
    started = start(lanes)
    lanes.renewed([lease(key(0), changed=True)], 0)
    end(lanes, started, success=success)
    release = given_back(lanes)
    assert (release.standing, release.failures, release.window) == (Standing.UNTRIED, 0, 1)


def test_a_change_is_seen_at_the_renewal() -> None:
    """What was learned about the old receiver is forgotten, what is in flight to it counts for nothing."""
    lanes = fail(5)
    lanes.wake()
    assert not lanes.can_start
    lanes.renewed([lease(key(0), changed=True)], 0)
    assert lanes.changed == [key(0)]
    assert counts(lanes) == {key(0): 1}
    assert given_back(lanes).standing is Standing.UNTRIED
    lanes.settled([key(0)])
    assert lanes.changed == []


@pytest.mark.parametrize("noticed", [True, False])
def test_a_lane_taken_again_keeps_what_is_in_flight(noticed: bool) -> None:
    """A lane that was lost, noticed or not, and leased again knows which of its deliveries are being sent."""
    lanes = lane()
    (started,) = start(lanes)
    if noticed:
        lanes.renewed([], 0)
    take(lanes, lease(key(0), window=3))
    assert (lanes.in_flight, counts(lanes)) == (1, {key(0): 2})
    end(lanes, [started], success=False)
    assert (lanes.in_flight, counts(lanes)) == (0, {key(0): 3})


@given(
    max_in_flight=st.integers(2, 20),
    max_per_lane=st.integers(1, 10),
    max_starts=st.integers(1, 20),
    known=st.lists(st.tuples(st.sampled_from(Standing), st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=30),
    steps=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from("sfgrcw"), st.integers(0, 3_000))),
)
def test_limits_hold_whatever_happens(
    max_in_flight: int,
    max_per_lane: int,
    max_starts: int,
    known: list[tuple[Standing, int, int]],
    steps: list[tuple[float, str, int]],
) -> None:
    """Never more in flight than the maximum, in all and for each lane, nor starts in a turn; and all are delivered."""
    keys = [Key(f"a{account}", str(number)) for number, (_, account, _) in enumerate(known)]
    leases = [
        lease(each, standing=standing, failures=failures, window=2.0)
        for each, (standing, _, failures) in zip(keys, known, strict=True)
    ]
    lanes = leased(*leases, max_in_flight=max_in_flight, max_per_lane=max_per_lane, max_starts=max_starts)
    flying: list[tuple[Key, str]] = []
    for chance, step, latency in steps:
        fresh = start(lanes)
        flying += fresh
        assert len(fresh) <= max_starts
        assert lanes.in_flight == len(flying) <= max_in_flight
        assert max(Counter(each for each, _ in flying).values(), default=0) <= max_per_lane
        if step in "sfg" and flying:
            one = flying.pop(int(chance * len(flying)))
            if step == "g":
                lanes.given_up(*one)
            else:
                end(lanes, [one], success=step == "s", latency_ms=latency)
        elif step == "r":
            lanes.forget([each.key for each in lanes.releases(NOW, latency, closing=latency > QUANTUM)])
            missing = set(keys) - set(lanes.leased)
            take(lanes, *(each for each in leases if each.key in missing), waiting=list(Standing))
        elif step == "c":
            lanes.renewed([each for number, each in enumerate(leases) if number % 2], latency)
        elif step == "w":
            lanes.wake()
    for one in flying:
        end(lanes, [one])
    lanes.renewed([], 0)
    assert (lanes.in_flight, lanes.leased, lanes.can_start) == (0, [], False)
    assert all(not ask.held for ask in lanes.asks())


def failing_and_untried(count: int) -> LeasedLanes:
    """So many lanes that fail, and as many untried ones, each of an account of its own."""
    failing = [lease(key(number), standing=Standing.FAILING) for number in range(count)]
    return leased(*failing, *(lease(key(count + number), standing=Standing.UNTRIED) for number in range(count)))


def test_failing_lanes_are_sure_of_a_quarter_of_the_unproven_starts() -> None:
    """However many untried ones there are; and untried ones of all, where none fails."""
    failing = [each for each in failing_and_untried(50).wanted() if each.key < key(50)]
    assert len(failing) == MAX_UNPROVEN_STARTS // 4
    untried = leased(*(lease(key(number), standing=Standing.UNTRIED) for number in range(50)))
    assert len(untried.wanted()) == MAX_UNPROVEN_STARTS


def test_failing_lanes_do_not_pile_up() -> None:
    """Those that cannot start soon are given back, due at once: thousands that failed stayed leased, waiting."""
    lanes = failing_and_untried(100)
    releases = lanes.releases(NOW, 0, closing=False)
    assert len(releases) == 100 - MAX_UNPROVEN_STARTS
    assert {each.standing for each in releases} == {Standing.FAILING}
    assert {each.not_before for each in releases} == {0}

"""How many requests a second an API key may make (contract, section 1)."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.api import URL_1, WEBHOOK, Api
from webhook_admin.web.rate_limit import RateLimit

LIMIT = 4  # so that a second is divided without rounding


@dataclass
class Clock:
    """The time that buckets fill up by, in seconds."""

    now: float = 1_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still unless it is set."""
    clock = Clock()
    monkeypatch.setattr("throttled.utils.now_mono_f", lambda: clock.now)
    return clock


@pytest.fixture
def environment(environment: pytest.MonkeyPatch, clock: Clock) -> pytest.MonkeyPatch:
    """The settings of a service that lets an account key make four requests a second."""
    environment.setenv("WEBHOOK_ADMIN_RATE_LIMIT", str(LIMIT))
    return environment


def statuses(api: Api, method: str = "GET", path: str = WEBHOOK) -> Counter[int]:
    """The statuses of three times as many calls as the limit allows, in a row."""
    return Counter(api(method, path).status_code for _ in range(3 * LIMIT))


def test_too_many_requests_are_429(customer: Api, clock: Clock) -> None:
    """A key that calls faster than it may gets 429, a problem that says when to come back, and works again then."""
    assert statuses(customer) == {404: LIMIT, 429: 2 * LIMIT}
    refused = customer("GET", WEBHOOK)
    assert refused.content_type == "application/problem+json"
    assert refused.json["type"] == "urn:webhook-admin:too-many-requests"
    clock.now += int(refused.headers["Retry-After"])
    assert statuses(customer) == {404: LIMIT, 429: 2 * LIMIT}


def test_a_bucket_fills_up_bit_by_bit(customer: Api, clock: Clock) -> None:
    """A quarter of a second after four requests there is room for one more, and after an hour for four."""
    assert statuses(customer)[404] == LIMIT
    for seconds, more in ((0.125, 0), (0.25, 1), (3_600, LIMIT)):
        clock.now += seconds
        assert statuses(customer)[404] == more


def test_platform_keys_are_free(platform: Api, customer: Api) -> None:
    """A platform key may call as fast as it likes, for an account, too."""
    platform.account = "acme"
    assert statuses(platform) == {404: 3 * LIMIT}


def test_each_key_has_its_own_limit(make_customer: Callable[[str], Api]) -> None:
    """One customer's haste costs another customer nothing."""
    hasty, other = make_customer("hasty"), make_customer("other")
    assert statuses(hasty)[429] == 2 * LIMIT
    assert other("GET", WEBHOOK).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        pytest.param("PATCH", WEBHOOK, {}, id="405"),
        pytest.param("POST", WEBHOOK, {"data": "x", "content_type": "text/plain"}, id="415"),
        pytest.param("POST", WEBHOOK, {"json": {"callbackUrl": URL_1, "padding": "x" * 70_000}}, id="413"),
        pytest.param("POST", WEBHOOK, {"json": {}}, id="400"),
    ],
)
def test_429_is_judged_before_the_rest(customer: Api, method: str, path: str, options: dict[str, object]) -> None:
    """With an empty bucket, whatever else is wrong with a request is not looked at."""
    assert statuses(customer)[429]
    assert customer(method, path, **options).status_code == 429


def test_401_and_403_are_judged_before_429(anyone: Api, customer: Api) -> None:
    """A request that the key does not open is refused as that, and takes nothing from the bucket."""
    assert statuses(customer, path="/accounts") == {403: 3 * LIMIT}
    assert customer("GET", WEBHOOK).status_code == 404
    assert statuses(anyone) == {401: 3 * LIMIT}


def test_0_is_no_limit() -> None:
    """A service may be run without a limit."""
    for _ in range(1_000):
        RateLimit(0).take("key")

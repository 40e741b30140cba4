"""How many requests a second an API key may make (contract, section 1)."""

from collections import Counter
from collections.abc import Callable

import pytest
from conftest import URL_1, WEBHOOK, Api, wait_until

from webhook_admin.errors import TooManyRequests
from webhook_admin.web.rate_limit import RateLimit

LIMIT = 5


@pytest.fixture
def environment(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The settings of a service that lets an account key make five requests a second."""
    environment.setenv("WEBHOOK_ADMIN_RATE_LIMIT", str(LIMIT))
    return environment


def statuses(api: Api, method: str = "GET", path: str = WEBHOOK) -> Counter[int]:
    """The statuses of three times as many calls as the limit allows, in a row."""
    return Counter(api(method, path).status_code for _ in range(3 * LIMIT))


def test_too_many_requests_are_429(customer: Api) -> None:
    """A key that calls faster than it may gets 429, a problem that says when to come back, and works again then."""
    assert statuses(customer)[429] >= LIMIT
    refused = wait_until(lambda: (answer := customer("GET", WEBHOOK)).status_code == 429 and answer)
    assert refused.content_type == "application/problem+json"
    assert refused.json["type"] == "urn:webhook-admin:too-many-requests"
    assert refused.headers["Retry-After"] == "1"
    wait_until(lambda: customer("GET", WEBHOOK).status_code == 404, 2)


def test_platform_keys_are_free(platform: Api, customer: Api) -> None:
    """A platform key may call as fast as it likes, for an account, too."""
    platform.account = "acme"
    assert statuses(platform) == {404: 3 * LIMIT}


def test_each_key_has_its_own_limit(make_customer: Callable[[str], Api]) -> None:
    """One customer's haste costs another customer nothing."""
    hasty, other = make_customer("hasty"), make_customer("other")
    assert statuses(hasty)[429]
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
    wait_until(lambda: customer("GET", WEBHOOK).status_code == 429)
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


def test_a_bucket_holds_a_second_of_requests() -> None:
    """A burst may be as large as what is allowed in a second, and no larger."""
    limit = RateLimit(100)
    for _ in range(100):
        limit.take("key")
    with pytest.raises(TooManyRequests):
        for _ in range(50):
            limit.take("key")

"""Fills a store through the HTTP API of whatever version is measured."""

import http.client
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.soak.installation import WEBHOOK, Installation

THREADS = 4
BATCH = 1_000
DEFAULT = "standard"
FORMATS = (DEFAULT, "phonovation-v2", "routee", "insider", "mta-v1")

Event = dict[str, Any]


class Client:
    """One kept-alive connection to the API, with the platform's key."""

    def __init__(self, installation: Installation) -> None:
        self._connection = http.client.HTTPConnection(installation.url.removeprefix("http://"), timeout=60)
        self._headers = {"X-API-Key": installation.key, "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any, account: str | None = None) -> Any:
        """Make a call, which must succeed; its answer."""
        headers = self._headers | ({"X-Account-Id": account} if account else {})
        self._connection.request(method, path, json.dumps(body), headers)
        response = self._connection.getresponse()
        answer = response.read()
        assert response.status < 300, answer
        return json.loads(answer)


def register(
    installation: Installation,
    callback_urls: Sequence[str],
    formats: Sequence[str] = (DEFAULT,),
    options: Mapping[str, str] | None = None,
) -> None:
    """Make `account-0` and so on, one for each callback URL, with the payload formats in turn; all with `options`."""
    numbered = list(zip(range(len(callback_urls)), callback_urls, itertools.cycle(formats)))

    def make(part: Iterable[tuple[int, str, str]]) -> None:
        client = Client(installation)
        for number, url, payload_format in part:
            account = f"account-{number}"
            client.call("PUT", f"/accounts/{account}", {})
            body = {"callbackUrl": url, "payloadFormat": payload_format} | dict(options or {})
            client.call("POST", WEBHOOK, body, account)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(make, (numbered[start::THREADS] for start in range(THREADS))))


def post(installation: Installation, events: Iterator[Event]) -> None:
    """Post the events in batches; each must be new and have somewhere to go."""
    client = Client(installation)
    while batch := list(itertools.islice(events, BATCH)):
        answer = client.call("POST", "/events", {"events": batch})
        assert answer == {"accepted": len(batch), "duplicates": 0, "unrouted": 0}, answer


def event(number: int, lanes: int, formats: Sequence[str] = (DEFAULT,)) -> Event:
    """The event of a number, for one of so many accounts."""
    account = number % lanes
    # phonovation-v2 has a word for QUEUED only, and insider none for it.
    status = "QUEUED" if formats[account % len(formats)] == "phonovation-v2" else "DELIVERED"
    return {
        "id": f"evt-{number}",
        "accountId": f"account-{account}",
        "messageId": f"message-{number}",
        "channel": "SMS",
        "status": status,
        "timestamp": "2026-04-09T14:39:40.69257Z",
        "to": "+353861234567",
        "from": "Acme",
        "customerMessageId": f"order-{number}",
    }

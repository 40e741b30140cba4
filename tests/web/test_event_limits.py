"""POST /events: who may call it, and how much a call may have (contract, section 1)."""

import json
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import requests

from tests.api import URL_1, URL_2, WEBHOOK, Api
from tests.processes import Process
from tests.web.event_calls import EVENT, event, faults, post, stored
from webhook_admin.db import Database

LIMIT = 4 * 1024 * 1024
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _webhook(customer: Api) -> None:
    """The account `acme` has a webhook."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})


@ON_SQLITE
def test_only_the_platform_may_call(anyone: Api, customer: Api, platform: Api, database: Database) -> None:
    """No key is 401, an account's key is 403, both before the body is looked at; a method that there is not is 405."""
    for body in ("{", " " * (LIMIT + 1), json.dumps({"events": [EVENT]})):
        for caller, status in ((anyone, 401), (customer, 403)):
            assert caller("POST", "/events", data=body, content_type="application/json").status_code == status
    assert platform("GET", "/events").status_code == 405
    assert set(platform("GET", "/events").headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert stored(database) == []


@ON_SQLITE
def test_order_of_judgement(platform: Api) -> None:
    """415 comes before 413, 413 before 400, 400 before 409."""
    post(platform, event(id="1"))
    too_long = {"data": b" " * (LIMIT + 1)}
    assert platform("POST", "/events", **too_long, content_type="text/plain").status_code == 415
    assert platform("POST", "/events", **too_long, content_type="application/json").status_code == 413
    assert post(platform, event(id="1", status="READ"), event(status="LOST")).status_code == 400
    assert post(platform, event(id="1", status="READ"), event(accountId="nobody")).status_code == 400
    assert post(platform, event(id="1", status="READ")).status_code == 409


def test_size_of_a_body(platform: Api, customer: Api) -> None:
    """A batch may have 4 MiB, and not a byte more; every other body still no more than 64 KiB."""
    body = json.dumps({"events": [EVENT]}).encode()
    for size, status in ((LIMIT, 202), (LIMIT + 1, 413)):
        assert platform("POST", "/events", data=body.ljust(size), content_type="application/json").status_code == status
    webhook = json.dumps({"callbackUrl": URL_2}).encode().ljust(64 * 1024 + 1)
    assert customer("PUT", WEBHOOK, data=webhook, content_type="application/json").status_code == 413


@ON_SQLITE
def test_a_body_without_end(platform: Api, customer: Api, start: Callable[..., Process]) -> None:
    """A body that does not say how long it is is refused as soon as it is too long, whatever may still come."""
    address = urlsplit(start().url).netloc
    for path, limit in (("/events", LIMIT), ("/accounts/acme/keys", 64 * 1024)):
        with closing(HTTPConnection(address, timeout=10)) as connection:
            connection.putrequest("POST", path)
            key = str(platform.key)
            headers = {"X-API-Key": key, "Content-Type": "application/json", "Transfer-Encoding": "chunked"}
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            connection.send(b"%x\r\n%b\r\n" % (limit + 1, b" " * (limit + 1)))
            assert connection.getresponse().status == 413


@ON_SQLITE
def test_size_of_a_chunked_body(platform: Api, customer: Api, start: Callable[..., Process]) -> None:
    """So it is for a body that does not say how long it is."""
    url = start().url
    body = json.dumps({"events": [EVENT]}).encode()
    headers = {"X-API-Key": str(platform.key), "Content-Type": "application/json"}

    def send(path: str, *chunks: bytes) -> int:
        return requests.post(url + path, data=iter(chunks), headers=headers, timeout=30).status_code

    assert send("/events", body.ljust(LIMIT)) == 202
    assert send("/events", body.ljust(LIMIT), b" ") == 413
    assert send("/accounts/acme/keys", b"{}".ljust(64 * 1024 + 1)) == 413


@ON_SQLITE
@pytest.mark.parametrize("place", [0, -1])
def test_a_body_full_of_keys(platform: Api, place: int) -> None:
    """Of 200,000 keys the one that is there twice is named."""
    names = [f'"{number:x}":1' for number in range(200_000)]
    names.append(names[place])
    response = platform("POST", "/events", data=f"{{{','.join(names)}}}", content_type="application/json")
    assert faults(response) == [(names[place].split('"')[1], "duplicate_key")]


@ON_SQLITE
@pytest.mark.parametrize(
    "body",
    [
        f'{{"events":[{{{",".join(f"{chr(34)}{number:x}{chr(34)}:1" for number in range(200_000))}}}]}}',
        f'{{"events":[{{"details":{{"groups":[{"1," * 200_000}1]}}}}]}}',
        f'{{"events":[{",".join(["{}"] * 1_000)}]}}',
    ],
    ids=["unknown fields", "items of a wrong type", "empty events"],
)
def test_a_body_full_of_faults(platform: Api, body: str) -> None:
    """Of a body of nothing but faults, no more are looked for than anybody would read."""
    response = platform("POST", "/events", data=body, content_type="application/json")
    assert faults(response)[-1] == ("body", "more")
    assert 100 <= int(response.json["errors"][-1]["message"].split()[2]) <= 200

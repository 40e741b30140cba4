"""The test on the page: the request before it is sent, what came of it, and saving the URL that has answered."""

import re
from collections.abc import Callable
from html import unescape

import pytest

from tests.api import URL_1, URL_2, WEBHOOK, Api
from tests.engine import Dispatch, Queue
from tests.portal.portal_client import Browser
from tests.receiver import Receiver

ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
TEST = "/portal/test"


def request_shown(html: str) -> str:
    """The request on the page."""
    found = re.search(r'aria-label="The request">(.+?)</pre>', html, re.DOTALL)
    assert found
    return unescape(found[1])


def test_a_candidate_is_tried_and_saved(
    dispatch: Dispatch, receiver: Receiver, acme: Browser, customer: Api, queue: Queue
) -> None:
    """It arrives as it was shown, but for ids, time and signature; then its URL and format are saved by a button."""
    url = receiver.url("/hook")
    fields = {"callbackUrl": url, "status": "FAILED", "channel": "RCS", "payloadFormat": "mta-v1"}
    shown = request_shown(acme.get(TEST, query_string=fields).text)
    sent = acme.post(TEST, data=fields)
    watched = acme.get(sent.headers["Location"]).text
    assert "Queued" in watched
    dispatch()
    queue.wait_for(DELIVERED=1)
    (request,) = receiver.requests

    def settled(text: str) -> str:
        return re.sub(r"(evt|dlv|test)[-_]\w+|\d{4}-\d\d-\d\dT[\d:.]+Z|\b\d{10}\b", "", text)

    head, _, body = shown.partition("\n\n")
    assert head.startswith(f"POST {url}\n")
    assert settled(body) == settled(request.body.decode())
    names = {line.partition(":")[0].lower() for line in head.splitlines()[1:]}
    assert names <= {name.lower() for name in request.headers}
    arrived = acme.get(sent.headers["Location"]).text
    assert "It has arrived" in arrived
    save = re.search(r'action="/portal/settings".+?</form>', arrived, re.DOTALL)
    assert save
    hidden = dict(re.findall(r'name="(callbackUrl|payloadFormat)" value="(.+?)"', save[0]))
    assert "whsec_" in acme.post("/portal/settings", data=hidden).text
    assert customer("GET", WEBHOOK).json.items() >= {"callbackUrl": url, "payloadFormat": "mta-v1"}.items()
    assert "Save this URL" not in acme.get(sent.headers["Location"]).text


@ON_SQLITE
def test_the_saved_url_is_the_webhook(acme: Browser, customer: Api, queue: Queue) -> None:
    """A test of it goes as notifications do, also where the URL is left as it was shown."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    assert f"POST {URL_1}" in request_shown(acme.get(TEST).text)
    assert "webhook-signature: v1," in request_shown(acme.get(TEST).text)
    for url in (URL_1, URL_2):
        acme.post(TEST, data={"callbackUrl": url, "status": "SENT"})
    webhook, candidate = queue.deliveries()
    assert (bool(webhook.webhook_id), webhook.callback_url, candidate.callback_url) == (True, None, URL_2)


@ON_SQLITE
def test_what_is_not_sent_is_said(acme: Browser, customer: Api, queue: Queue, receiver: Receiver) -> None:
    """A bad URL beside its field, nowhere to send to, a disabled webhook, a status that is skipped."""
    answer = acme.post(TEST, data={"callbackUrl": "http://x", "status": "READ"})
    assert (answer.status_code, 'id="callbackUrl-fault"' in answer.text) == (400, True)
    assert "<option selected>READ" in answer.text
    answer = acme.post(TEST, data={"callbackUrl": ""})
    assert (answer.status_code, "There is no webhook yet" in answer.text) == (404, True)
    html = acme.get(TEST, query_string={"payloadFormat": "phonovation-v2", "status": "READ"}).text
    assert "cannot express READ" in html
    assert queue.deliveries() == []


@ON_SQLITE
def test_only_own_tests_are_watched(
    acme: Browser, make_customer: Callable[[str], Api], make_browser: Callable[[Api], Browser]
) -> None:
    """Another account's is not there."""
    location = acme.post(TEST, data={"callbackUrl": URL_2}).headers["Location"]
    assert acme.get(location).status_code == 200
    assert make_browser(make_customer("globex")).get(location).status_code == 404

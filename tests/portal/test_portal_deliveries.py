"""The list, one delivery, its resend, and the file for spreadsheets."""

import csv
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from io import StringIO

import pytest

from tests.api import URL_1, WEBHOOK, Api
from tests.engine import LONG_AGO, Queue, event
from tests.portal.portal_client import Browser, said
from tests.portal.portal_day import conclude
from webhook_admin.models import webhooks
from webhook_admin.queue.history import Attempt

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202egnp.exe\nsecond line"
REFUSED = "Connection refused by 203.0.113.7, port 443."
HINT = "Check the port."
SUCCESS = Attempt(1, LONG_AGO, 35, "delivered", 200, "ok")


def failure(number: int, response: str | None = None) -> Attempt:
    """An attempt that has failed."""
    return Attempt(number, LONG_AGO, 4, "connect", None, response, REFUSED, HINT)


@pytest.fixture
def browser(customer: Api, acme: Browser) -> Browser:
    """A browser of `acme`, which has a webhook."""
    customer("POST", WEBHOOK, json={"callbackUrl": URL_1})
    return acme


def test_four_states_of_the_list(browser: Browser, queue: Queue) -> None:
    """Nothing yet, nothing fits, a mistake in the filter, and a list: each says which it is."""
    assert "Nothing yet" in browser.get("/portal/deliveries").text
    queue.accept(event(1))
    assert "Nothing fits" in browser.get("/portal/deliveries?status=READ").text
    wrong = browser.get("/portal/deliveries?messageId=a%00&since=yesterday&state=LOST")
    assert (wrong.status_code, wrong.text.count('class="fault"')) == (400, 3)
    shown = browser.get("/portal/deliveries").text
    assert "msg_1" in shown
    assert not [words for words in ("Nothing yet", "Nothing fits", "mistake") if words in shown]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=PENDING", [3, 2]),
        ("state=PENDING&state=FAILED", [3, 2, 1]),
        ("status=READ&channel=RCS", [2]),
        ("messageId=msg_3&status=&channel=&since=&until=", [3]),
        ("until=2000-01-01T00:00", []),
        ("since=2000-01-01T00:00:30.000Z", [3, 2, 1]),
    ],
)
def test_filters(browser: Browser, queue: Queue, query: str, expected: list[int]) -> None:
    """As the form sends them, empty fields and local times included; the newest come first, and the form keeps them."""
    queue.accept(event(1), event(2, status="READ", channel="RCS"), event(3))
    conclude(queue, 1, "FAILED", failure(1))
    shown = browser.get(f"/portal/deliveries?{query}").text
    places = {number: shown.find(f"<bdi>msg_{number}</bdi>") for number in (1, 2, 3)}
    assert [number for number in sorted(places, key=places.__getitem__) if places[number] >= 0] == expected
    assert ("checked" in shown) == ("state=" in query)


def test_pages_go_on(browser: Browser, queue: Queue) -> None:
    """Fifty on a page; the link to the next one keeps the filter."""
    queue.accept(*(event(number) for number in range(51)))
    first = browser.get("/portal/deliveries?channel=SMS").text
    assert first.count("<tr id=") == 50
    (older,) = [unescape(link.split('"')[0]) for link in first.split('href="') if "after=" in link.split('"')[0]]
    assert "channel=SMS" in older
    assert browser.get(older).text.count("<tr id=") == 1


def test_the_way_of_a_delivery(browser: Browser, queue: Queue) -> None:
    """Each attempt in a sentence, with what to do about it, and the end."""
    queue.accept(event(1))
    id_ = conclude(queue, 1, "DELIVERED", failure(1), Attempt(2, LONG_AGO, 35, "delivered", 200, "ok"))
    shown = said(browser.get(f"/portal/deliveries/{id_}"))
    sentences = [
        "Accepted.",
        f"Attempt 1: {REFUSED}",
        HINT,
        "Attempt 2: acknowledged with 200 within 35 ms, 57 ms in all.",
    ]
    places = [shown.find(words) for words in sentences]
    assert places == sorted(places)
    assert places[0] > 0


def test_what_is_next(browser: Browser, queue: Queue) -> None:
    """The next attempt, or the one in flight."""
    queue.accept(event(1))
    id_ = queue.delivery(1).id
    assert "Attempt 1 comes as soon as it is its turn." in said(browser.get(f"/portal/deliveries/{id_}"))
    conclude(queue, 1, "PENDING", failure(1), attempts=2)
    assert "Attempt 2 is in flight." in browser.get(f"/portal/deliveries/{id_}").text


def test_an_answer_is_shown_and_does_nothing(browser: Browser, queue: Queue) -> None:
    """Tags are text; control characters and signs that turn the direction round are replaced."""
    queue.accept(event(1, message_id="<b>\u202e", to="+353861234567", error={"code": 1, "message": HOSTILE}))
    id_ = conclude(queue, 1, "FAILED", failure(1, HOSTILE), state_detail=HOSTILE)
    for path in (f"/portal/deliveries/{id_}", "/portal/deliveries"):
        shown = browser.get(path).text
        assert "&lt;b&gt;\ufffd" in shown
        assert not [sign for sign in ("<script>alert", "\u202e", "\x1b", "<b>") if sign in shown]
    assert "\ufffd[31m\ufffdgnp.exe\nsecond line" in browser.get(f"/portal/deliveries/{id_}").text


def test_the_request_is_the_one_that_is_sent(browser: Browser, customer: Api, queue: Queue, database: object) -> None:
    """The service itself finds it genuine; its body is the one that was kept, or rendered from the event."""
    queue.accept(event(1))
    id_ = conclude(queue, 1, "FAILED", failure(1), body='{"kept":"it\'s"}', payload_format="standard")
    queue.accept(event(2))
    for number, delivery_id in ((1, id_), (2, queue.delivery(2).id)):
        shown = unescape(browser.get(f"/portal/deliveries/{delivery_id}").text)
        request = shown.partition(f"POST {URL_1}\n")[2].partition("</pre>")[0]
        head, _, body = request.partition("\n\n")
        headers = dict(line.split(": ", 1) for line in head.splitlines())
        assert headers["webhook-id"] == delivery_id
        assert (number == 2) == (json.loads(body).get("eventId") == "evt_2")
        judged = customer("POST", f"{WEBHOOK}/verify", json={"headers": headers, "body": body}).json
        assert judged["valid"], judged


def test_the_curl_command_is_the_same_request(browser: Browser, queue: Queue) -> None:
    """To the byte, whatever is in the body; a shell takes it apart."""
    message_id = "it's $HOME `x` \\u202e \u202e"
    queue.accept(event(1, message_id=message_id))
    shown = unescape(browser.get(f"/portal/deliveries/{queue.delivery(1).id}").text)
    command = shown.partition('id="curl">')[2].partition("</pre>")[0]
    script = f'curl() {{ printf "%s\\0" "$@"; }}\n{command}'
    words = subprocess.run(["bash", "-c", script], capture_output=True, check=True, text=True).stdout.split("\0")
    assert words[:3] == ["-X", "POST", URL_1]
    assert json.loads(words[words.index("--data-binary") + 1])["messageId"] == message_id


def test_a_resend_is_queued_and_then_seen(browser: Browser, queue: Queue) -> None:
    """The page says that it is queued, and never that it has arrived."""
    queue.accept(event(1))
    id_ = conclude(queue, 1, "FAILED", failure(1))
    answer = browser.post(f"/portal/deliveries/{id_}/resend")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/portal/deliveries/{id_}")
    shown = browser.get(answer.headers["Location"]).text
    assert "Resent: queued again" in shown
    assert "Waiting" in shown
    assert queue.delivery(1).state == "PENDING"


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_resend_that_is_not_possible_says_why(browser: Browser, queue: Queue) -> None:
    """Without the names of calls."""
    queue.accept(event(1))
    id_ = conclude(queue, 1, "FAILED", failure(1))
    with queue.database.transaction() as transaction:
        transaction.execute(webhooks.update().values(status="DISABLED", disabled_reason="GONE"))
    answer = browser.post(f"/portal/deliveries/{id_}/resend")
    assert answer.status_code == 409
    assert "the webhook is disabled" in answer.text
    assert "PUT" not in answer.text


def test_many_are_counted_then_resent(browser: Browser, queue: Queue) -> None:
    """Those that fit and no others, as many as were shown before; then how many of them wait."""
    queue.accept(*(event(number, channel="RCS" if number == 3 else "SMS") for number in range(1, 5)))
    for number in (1, 2, 3):
        conclude(queue, number, "FAILED", failure(1))
    assert "<strong>2 deliveries fit</strong>" in browser.get("/portal/deliveries/resend?channel=SMS").text
    assert queue.states() == {"FAILED": 3, "PENDING": 1}
    answer = browser.post("/portal/deliveries/resend", data={"channel": "SMS"})
    assert queue.states() == {"FAILED": 1, "PENDING": 3}
    assert [row.event_id for row in queue.deliveries(state="FAILED")] == ["evt_3"]
    assert "channel=SMS" in answer.headers["Location"]
    progress = browser.get(answer.headers["Location"]).text
    assert "<strong>2</strong> deliveries are queued again" in progress
    assert "3 deliveries wait at this moment" in progress


def test_nothing_of_another_account_is_reached(
    browser: Browser, queue: Queue, make_customer: Callable[[str], Api]
) -> None:
    """Neither seen, nor resent, one by one or together."""
    make_customer("globex")("POST", WEBHOOK, json={"callbackUrl": URL_1})
    queue.accept(event(1, "globex"))
    id_ = conclude(queue, 1, "FAILED", failure(1))
    for path in ("/portal/deliveries", "/portal/deliveries.csv", "/portal/deliveries?messageId=msg_1"):
        assert id_ not in browser.get(path).text
    assert browser.get(f"/portal/deliveries/{id_}").status_code == 404
    assert browser.post(f"/portal/deliveries/{id_}/resend").status_code == 404
    browser.post("/portal/deliveries/resend", data={"account_id": "globex"})
    assert queue.states() == {"FAILED": 1}


def test_the_file_for_spreadsheets(browser: Browser, queue: Queue) -> None:
    """What is filtered, all pages of it; nothing in it is taken for a formula."""
    queue.accept(*(event(number, to="+353861234567") for number in range(501)))
    queue.accept(event(501, message_id="=cmd|'/c calc'!A1,\"x\"", channel="RCS"))
    answer = browser.get("/portal/deliveries.csv?channel=SMS")
    assert answer.content_type.startswith("text/csv")
    rows = list(csv.DictReader(StringIO(answer.text)))
    assert [row["message_id"] for row in rows] == [f"msg_{number}" for number in reversed(range(501))]
    assert {row["to"] for row in rows} == {"'+353861234567"}
    (formula,) = csv.DictReader(StringIO(browser.get("/portal/deliveries.csv?channel=RCS").text))
    assert formula["message_id"] == "'=cmd|'/c calc'!A1,\"x\""
    assert datetime.fromisoformat(formula["created_at"]).tzinfo == UTC

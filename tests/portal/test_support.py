"""What the platform's support finds: accounts, messages of all accounts, and webhooks in trouble."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from tests.api import URL_1, WEBHOOK, Api
from tests.engine import Queue
from tests.engine import event as an_event
from tests.portal.portal_client import Browser
from webhook_admin.db import Database
from webhook_admin.models import lanes, webhooks

ACCOUNT = "/portal/account"


@pytest.fixture
def support(platform: Api, make_browser: Callable[[Api], Browser]) -> Browser:
    """A browser that is signed in with a platform key."""
    return make_browser(platform)


def test_accounts_are_found_by_how_they_begin(support: Browser, make_customer: Callable[[str], Api]) -> None:
    """In pages; what no id can begin with finds none."""
    for account_id in ("acme", "acme-2", "Acme", "globex", *(f"n{number:02}" for number in range(22))):
        make_customer(account_id)
    answer = support.post(ACCOUNT, data={"account_id": "acm"})
    assert answer.status_code == 404
    found = [each for each in ("acme", "acme-2", "Acme", "globex") if f'value="{each}"' in answer.text]
    assert found == ["acme", "acme-2"]
    first = support.get(ACCOUNT).text
    assert ('value="Acme"' in first, 'value="n19"' in first, "after=n15" in first) == (True, False, True)
    assert 'value="n19"' in support.get(f"{ACCOUNT}?after=n15").text
    assert "after=n19&amp;beginning=n" in support.get(f"{ACCOUNT}?beginning=n").text
    for typed in ("%", "\x00", "<script>alert(1)</script>"):
        assert "No account&#39;s id begins so" in support.post(ACCOUNT, data={"account_id": typed}).text


def test_a_message_is_found_in_all_accounts(
    support: Browser, queue: Queue, make_customer: Callable[[str], Api]
) -> None:
    """One step leads to its delivery, as the account has it."""
    for account_id in ("acme", "globex"):
        make_customer(account_id)("POST", WEBHOOK, json={"callbackUrl": URL_1})
        queue.accept(an_event(1, account_id))
    html = support.get(f"{ACCOUNT}/messages?messageId=msg_1").text
    ids = [row.id for row in queue.deliveries()]
    assert len(ids) == 2
    assert all(id_ in html for id_ in ids)
    assert "No such message" in support.get(f"{ACCOUNT}/messages?messageId=msg_%00").text
    assert "No such message" in support.get(f"{ACCOUNT}/messages").text
    row = queue.deliveries(account_id="globex")[0]
    opened = support.post(ACCOUNT, data={"account_id": "globex", "delivery_id": row.id})
    page = support.get(opened.headers["Location"]).text
    assert "You are looking at the account <strong>globex</strong>" in page
    assert row.id in page


def test_a_recipient_is_found_in_all_accounts(
    support: Browser, queue: Queue, make_customer: Callable[[str], Api]
) -> None:
    """What went to a number, whoever sent it; something else than a number is a mistake of its field."""
    for account_id in ("acme", "globex"):
        make_customer(account_id)("POST", WEBHOOK, json={"callbackUrl": URL_1})
        queue.accept(an_event(1, account_id, to="+353861234567"), an_event(2, account_id, to="+353860000000"))
    html = support.get(f"{ACCOUNT}/recipients?to=%2B353861234567").text
    assert [row.id in html for row in queue.deliveries()] == [True, False, True, False]
    assert "No message" in support.get(f"{ACCOUNT}/recipients?to=%2B353861111111").text
    for typed in ("", "353861234567", "%2B0", "%00"):
        answer = support.get(f"{ACCOUNT}/recipients?to={typed}")
        assert answer.status_code == 400
        assert 'id="to-fault"' in answer.text


def test_webhooks_in_trouble_are_listed(
    support: Browser, database: Database, make_customer: Callable[[str], Api], queue: Queue
) -> None:
    """Failing ones and disabled ones, each with since when."""
    for account_id in ("well", "failing", "gone"):
        make_customer(account_id)("POST", WEBHOOK, json={"callbackUrl": URL_1})
        queue.accept(an_event(1, account_id))
    with database.transaction() as changing:
        since = int(datetime(2026, 1, 31, 9, 30, tzinfo=UTC).timestamp() * 1000)
        changing.execute(update(lanes).where(lanes.c.account_id == "failing").values(failing_since=since))
        gone = {"status": "DISABLED", "disabled_reason": "GONE"}
        changing.execute(update(webhooks).where(webhooks.c.account_id == "gone").values(gone))
    listed = {}
    for kind in ("failing", "disabled"):
        html = support.get(f"{ACCOUNT}/webhooks/{kind}").text
        listed[kind] = [each for each in ("well", "failing", "gone") if f'name="account_id" value="{each}"' in html]
    assert listed == {"failing": ["failing"], "disabled": ["gone"]}
    assert "2026-01-31 09:30:00 UTC" in support.get(f"{ACCOUNT}/webhooks/failing").text
    assert "Answered 410 Gone" in support.get(f"{ACCOUNT}/webhooks/disabled").text
    assert support.get(f"{ACCOUNT}/webhooks/other").status_code == 404


@pytest.mark.parametrize(
    "path", ["", "/messages?messageId=msg_1", "/recipients?to=%2B353861234567", "/webhooks/failing"]
)
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_customers_find_nothing_of_others(acme: Browser, path: str) -> None:
    """The pages are for the platform alone."""
    assert acme.get(f"{ACCOUNT}{path}").status_code == 403

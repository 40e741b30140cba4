"""What a request works with: one connection at a time."""

from collections import Counter

from flask import Flask

from tests.api import Api
from tests.engine import together
from tests.web.event_calls import event
from webhook_admin.web import context

THREADS = 64


def call(app: Flask, key: str | None, path: str, body: object) -> int:
    return Api(app.test_client(), key)("POST", path, json=body).status_code


def test_more_threads_than_connections_take_turns(app: Flask, platform: Api) -> None:
    """64 threads that post events and make keys, again and again, are all answered, and none with a 5xx."""
    for number in range(THREADS):
        platform("PUT", f"/accounts/account-{number}")

    def work(number: int) -> Counter[int]:
        account = f"account-{number}"
        events = {"events": [event(accountId=account, id=f"evt-{number}")]}
        return Counter(
            call(app, platform.key, path, body)
            for _ in range(4)
            for path, body in (("/events", events), (f"/accounts/{account}/keys", {}))
        )

    assert sum(together(THREADS, work), Counter()) == {202: 4 * THREADS, 201: 2 * THREADS, 409: 2 * THREADS}


def test_a_request_holds_one_connection(app: Flask) -> None:
    """A transaction is opened on a connection of its own only after the request's has been given back."""
    with app.test_request_context():
        first = context.connection()
        with context.transaction() as second:
            assert first.closed
            assert not second.closed
        assert context.connection() is not first

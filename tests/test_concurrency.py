"""Many calls at once, through two processes on one store (contract, section 1)."""

import os
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice
from threading import Barrier
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from sqlalchemy import URL, func, select

from tests.api import URL_1, WEBHOOK
from tests.linearizability import Operation, linearizable
from tests.processes import Process, settings, starting
from tests.waiting import wait_until
from webhook_admin import accounts, keys, models
from webhook_admin.db import Database

MakeKey = Callable[[str | None], keys.NewKey]
ROUNDS = 8
HISTORIES = 30
THREADS = 4
CALLS = 5


@dataclass
class Client:
    """Calls to one process with one key, over a connection of its own."""

    url: str
    key: str
    session: requests.Session = field(default_factory=requests.Session)

    def __call__(self, method: str, path: str = WEBHOOK, if_match: str | None = None, **body: Any) -> requests.Response:
        headers = {"X-API-Key": self.key, "If-Match": if_match}
        return self.session.request(method, self.url + path, headers=headers, json=body or None, timeout=30)


@pytest.fixture(scope="module")
def processes(module_store_url: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The URLs of two processes on one store; each test works with accounts of its own."""
    folder = tmp_path_factory.mktemp("processes")
    with starting(folder, os.environ | settings(module_store_url, folder)) as start:
        yield [start().url, start().url]


@pytest.fixture
def make_key(module_store_url: URL) -> Iterator[MakeKey]:
    """Makes a key of the account, which is made too if it is not there, or with None a platform key."""
    with closing(Database(module_store_url)) as database:
        yield partial(new_key, database)


def new_key(database: Database, account_id: str | None) -> keys.NewKey:
    """A key of the account, which is made too if it is not there, or with None a platform key."""
    with database.transaction() as connection:
        if account_id is not None:
            accounts.put(connection, account_id, datetime.now(UTC))
        return keys.create(connection, account_id, datetime.now(UTC))


def spread(processes: Sequence[str], count: int, key: keys.NewKey) -> list[Client]:
    """So many clients, all with the key, in turn on each of the processes."""
    return [Client(url, key.key) for url in islice(cycle(processes), count)]


def at_once(clients: Sequence[Client], method: str, path: str = WEBHOOK, **body: Any) -> Counter[int]:
    """How often each status came back when all clients made the same call at the same moment."""
    barrier = Barrier(len(clients), timeout=10)

    def call(client: Client) -> int:
        barrier.wait()
        return client(method, path, **body).status_code

    with ThreadPoolExecutor(len(clients)) as pool:
        return Counter(pool.map(call, clients))


# One winner


def test_one_of_many_posts_registers(processes: list[str], make_key: MakeKey) -> None:
    """Of 50 concurrent POSTs for one account exactly one gets 201, the rest 409."""
    customers = spread(processes, 50, make_key("registered"))
    for _ in range(ROUNDS):
        assert at_once(customers, "POST", callbackUrl=URL_1) == {201: 1, 409: 49}
        assert customers[0]("DELETE").status_code == 204


def test_an_account_gets_two_keys(processes: list[str], make_key: MakeKey) -> None:
    """Of 20 concurrent POSTs of keys for one account exactly two get 201, the rest 409."""
    admins = spread(processes, 20, make_key(None))
    for account in range(ROUNDS):
        admins[0]("PUT", f"/accounts/with-keys-{account}")
        assert at_once(admins, "POST", f"/accounts/with-keys-{account}/keys") == {201: 2, 409: 18}


def test_an_account_is_created_and_deleted_once(processes: list[str], make_key: MakeKey) -> None:
    """Of concurrent PUTs of a new account exactly one gets 201, the rest 200; of DELETEs one gets 204, the rest 404."""
    admins = spread(processes, 20, make_key(None))
    for account in range(ROUNDS):
        assert at_once(admins, "PUT", f"/accounts/{account}", name="Acme") == {201: 1, 200: 19}
        assert at_once(admins, "DELETE", f"/accounts/{account}") == {204: 1, 404: 19}


# At once, everywhere


def test_a_revoked_key_is_refused_everywhere(processes: list[str], make_key: MakeKey) -> None:
    """A key that one process has revoked is 401 at the next request to another."""
    admin = Client(processes[0], make_key(None).key)
    for _ in range(ROUNDS):
        key = make_key("revoked")
        customer = Client(processes[1], key.key)
        assert customer("GET").status_code == 404
        assert admin("DELETE", f"/accounts/revoked/keys/{key.id}").status_code == 204
        assert customer("GET").status_code == 401


def test_a_deleted_account_is_refused_everywhere(processes: list[str], make_key: MakeKey) -> None:
    """The keys of an account that one process has deleted are 401 at the next request to another."""
    admin = Client(processes[0], make_key(None).key)
    for _ in range(ROUNDS):
        customer = Client(processes[1], make_key("deleted").key)
        assert customer("POST", callbackUrl=URL_1).status_code == 201
        assert admin("DELETE", "/accounts/deleted").status_code == 204
        assert customer("GET").status_code == 401


# As if one call were made at a time


class Webhook(NamedTuple):
    """What a client sees of a webhook."""

    id: str
    url: str
    etag: str


class Call(NamedTuple):
    """A call on the account's webhook."""

    method: str
    url: str | None = None
    if_match: str | None = None


class Answer(NamedTuple):
    """A status, and the webhook that came with it."""

    status: int
    webhook: Webhook | None = None


def one_webhook(webhook: Webhook | None, call: Call, answer: Answer) -> Iterator[Webhook | None]:
    """What an account has after a call that found `webhook` and got `answer`: the contract's table."""
    if webhook is None:
        if call.method == "POST":
            if answer.status == 201 and answer.webhook and answer.webhook.url == call.url:
                yield answer.webhook
        elif answer.status == 404:
            yield None
        return
    matches = call.if_match in (None, webhook.etag)
    match call.method, answer:
        case ("GET", (200, seen)) if seen == webhook:
            yield webhook
        case ("POST", (409, None)):
            yield webhook
        case ("PUT", (200, (webhook.id, call.url, etag) as changed)) if matches and etag != webhook.etag:
            yield changed
        case ("DELETE", (204, None)) if matches:
            yield None
        case ("PUT" | "DELETE", (412, None)) if not matches:
            yield webhook


def call_at_random(client: Client, dice: random.Random) -> list[Operation]:
    """What came of calls drawn at random, made one after another; some PUTs and DELETEs carry the last ETag seen."""
    operations, etag = [], None
    for _ in range(CALLS):
        call = Call(dice.choice(["GET", "POST", "PUT", "DELETE"]))
        if call.method in ("POST", "PUT"):
            call = call._replace(url=f"https://hooks.example.com/{dice.getrandbits(32)}")
        if call.method in ("PUT", "DELETE"):
            call = call._replace(if_match=dice.choice([None, etag]))
        sent = time.monotonic()
        response = client(call.method, if_match=call.if_match, **({"callbackUrl": call.url} if call.url else {}))
        answered = time.monotonic()
        answer = Answer(response.status_code)
        if response.status_code in (200, 201):
            etag = response.headers["ETag"]
            answer = answer._replace(webhook=Webhook(response.json()["id"], response.json()["callbackUrl"], etag))
        operations.append(Operation(sent, answered, call, answer))
    return operations


def test_calls_at_once_are_as_if_made_one_at_a_time(processes: list[str], make_key: MakeKey) -> None:
    """What concurrent POST, PUT, DELETE and GET answer is what they would answer in some order, one at a time."""
    seen = set()
    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(HISTORIES):
            customers = spread(processes, THREADS, make_key(f"account-{number}"))
            dice = [random.Random(f"{number}/{thread}") for thread in range(THREADS)]
            history = [operation for part in pool.map(call_at_random, customers, dice) for operation in part]
            assert linearizable(history, None, one_webhook), "\n".join(map(str, history))
            seen |= {(operation.call.method, operation.answer.status) for operation in history}
    assert seen == {
        *(("GET", 200), ("GET", 404), ("POST", 201), ("POST", 409)),
        *(("PUT", 200), ("PUT", 404), ("PUT", 412), ("DELETE", 204), ("DELETE", 404), ("DELETE", 412)),
    }


OLD = Webhook("wh_1", "https://old.example.com", '"wh_1.1"')
NEW = Webhook("wh_1", "https://new.example.com", '"wh_1.2"')
OTHER = Webhook("wh_2", "https://old.example.com", '"wh_2.1"')


def did(
    sent: float, answered: float, method: str, status: int, webhook: Webhook | None = None, if_match: str | None = None
) -> Operation:
    """An operation on paper; a webhook in the answer has the URL of the call."""
    url = webhook.url if webhook and method != "GET" else None
    return Operation(sent, answered, Call(method, url, if_match), Answer(status, webhook))


REGISTERED = did(0, 1, "POST", 201, OLD)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([], id="nothing"),
        pytest.param([REGISTERED, did(2, 3, "PUT", 200, NEW), did(4, 5, "GET", 200, NEW)], id="one after another"),
        pytest.param([did(0, 9, "GET", 404), REGISTERED], id="read before an overlapping POST"),
        pytest.param([did(0, 9, "DELETE", 204), REGISTERED, did(2, 3, "POST", 201, OTHER)], id="DELETE in between"),
        pytest.param(
            [REGISTERED, did(2, 9, "PUT", 200, NEW), did(3, 4, "GET", 200, OLD), did(5, 6, "GET", 200, NEW)],
            id="a slow PUT takes effect between two reads",
        ),
        pytest.param(
            [REGISTERED, did(2, 9, "PUT", 200, NEW), did(3, 4, "DELETE", 412, None, OLD.etag)], id="stale ETag"
        ),
    ],
)
def test_the_checker_accepts(history: list[Operation]) -> None:
    """A history that some order explains is linearizable."""
    assert linearizable(history, None, one_webhook)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([REGISTERED, did(0, 1, "POST", 201, OTHER)], id="two POSTs succeed"),
        pytest.param([REGISTERED, did(2, 3, "GET", 404)], id="lost POST"),
        pytest.param([REGISTERED, did(2, 3, "PUT", 200, NEW), did(4, 5, "GET", 200, OLD)], id="old URL after PUT"),
        pytest.param([REGISTERED, did(2, 3, "PUT", 200, OTHER)], id="PUT changes the id"),
        pytest.param([REGISTERED, did(2, 3, "PUT", 200, OLD)], id="PUT leaves the ETag"),
        pytest.param([did(0, 1, "PUT", 200, NEW)], id="PUT creates"),
        pytest.param(
            [REGISTERED, did(2, 9, "PUT", 200, NEW), did(3, 4, "GET", 200, NEW), did(5, 6, "GET", 200, OLD)],
            id="back in time",
        ),
        pytest.param([REGISTERED, did(2, 9, "DELETE", 204), did(2, 9, "DELETE", 204)], id="two DELETEs succeed"),
        pytest.param(
            [
                REGISTERED,
                did(2, 9, "PUT", 200, NEW, OLD.etag),
                did(2, 9, "DELETE", 204, None, OLD.etag),
            ],
            id="one ETag lets two changes in",
        ),
    ],
)
def test_the_checker_refuses(history: list[Operation]) -> None:
    """A history that no order explains is not."""
    assert not linearizable(history, None, one_webhook)


# Killed


def call_until_killed(client: Client, made: list[str]) -> set[str | None]:
    """POST and DELETE in turn for as long as they are answered; the callback URLs, or None, that may be left then."""
    left = None
    for number in range(1_000):
        url = f"https://hooks.example.com/{number}"
        try:
            response = client("DELETE") if left else client("POST", callbackUrl=url)
        except requests.RequestException:
            return {left, None if left else url}
        assert response.status_code == (204 if left else 201)
        left = None if left else url
        made.append(str(response.request.method))
    pytest.fail("nobody has killed the process")


def is_free(process: Process) -> bool:
    """Whether nobody listens on the process's port any more."""
    try:
        socket.create_server(("127.0.0.1", urlsplit(process.url).port or 0)).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("worker_too", [False, True], ids=["server", "server and worker"])
def test_kill_loses_nothing(
    environment: pytest.MonkeyPatch,
    start: Callable[..., Process],
    database: Database,
    worker_too: bool,
) -> None:
    """After a kill -9 the port is free, and the store holds what was acknowledged, and nothing by halves."""
    process = start()
    customers = [Client(process.url, new_key(database, f"account-{number}").key) for number in range(THREADS)]
    made: list[str] = []
    with ThreadPoolExecutor(THREADS) as pool:
        possible = pool.map(call_until_killed, customers, [made] * THREADS)
        wait_until(lambda: len(made) > 100)
        workers = psutil.Process(process.popen.pid).children() if worker_too else []
        process.stop(signal.SIGKILL)
        for worker in workers:
            worker.kill()
    wait_until(lambda: is_free(process), 5)
    restarted = start()
    for customer, urls in zip(customers, possible, strict=True):
        assert Client(restarted.url, customer.key)("GET").json().get("callbackUrl") in urls
    require_intact(database)


def require_intact(database: Database) -> None:
    """Fail unless the database finds no fault with itself, and every row has what it belongs to."""
    with database.connect() as connection:
        for table in (models.api_keys, models.webhooks):
            orphans = select(func.count()).where(table.c.account_id.not_in(select(models.accounts.c.id)))
            assert connection.scalar(orphans) == 0
        if database.file:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"

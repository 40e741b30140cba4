"""API keys, and what they open: `webhook_admin.keys` and the authentication of the HTTP API (contract, section 1)."""

import base64
import re
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from string import ascii_lowercase, digits, printable
from typing import Any
from urllib.parse import quote

import pytest
import requests
from sqlalchemy import Engine, event, inspect

from tests.api import URL_1, WEBHOOK, Api
from tests.processes import Process
from tests.waiting import wait_until
from webhook_admin import accounts, keys
from webhook_admin.db import Database
from webhook_admin.errors import AccountNotFound, InvalidInput, KeyNotFound, TooManyKeys, Unauthenticated

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


def make(database: Database, account_id: str | None, now: datetime = NOW, **options: Any) -> keys.NewKey:
    """A new key of the account, which is made too if it is not there, or with None a platform key."""
    with database.transaction() as connection:
        if account_id is not None:
            accounts.put(connection, account_id, now)
        return keys.create(connection, account_id, now, **options)


def is_accepted(database: Database, key: str, now: datetime = NOW) -> bool:
    """Whether the key is anybody's."""
    try:
        with database.connect() as connection:
            keys.authenticate(connection, key, now)
    except Unauthenticated:
        return False
    return True


# What a key looks like


@pytest.mark.parametrize(("account_id", "prefix"), [("acme", "whak"), (None, "whpk")])
def test_a_key_says_what_it_is(database: Database, account_id: str | None, prefix: str) -> None:
    """A key reads prefix, id, 256 bits in base32, and the CRC-32 of all that."""
    new = make(database, account_id)
    parts = re.fullmatch(r"(wh[ap]k)_([0-9a-f]{32})_([a-z2-7]{52})([0-9a-f]{8})", new.key)
    assert parts is not None
    assert (parts[1], f"key_{parts[2]}") == (prefix, new.id)
    assert len(base64.b32decode(parts[3].upper() + "====")) == 32
    assert int(parts[4], 16) == zlib.crc32(new.key[:-8].encode())


def test_a_key_is_not_shown_by_accident(database: Database) -> None:
    """The representation of a key, as a debugger or a log would show it, is without the key."""
    new = make(database, "acme")
    assert new.key not in repr(new)


def test_a_key_says_whose_it_is(database: Database) -> None:
    """The caller with an account key is the account; with a platform key, nobody's account."""
    with database.connect() as connection:
        for account_id in ("acme", "other", None):
            key = make(database, account_id)
            caller = keys.authenticate(connection, key.key, NOW, "acme")
            assert caller == keys.Caller(key.id, account_id, None, "acme")


# What is not a key


def signed(body: str) -> str:
    """The text with the checksum that it would have if it were a key's."""
    return body + f"{zlib.crc32(body.encode()):08x}"


def flip(text: str, dice: Random) -> str:
    place = dice.randrange(len(text))
    return text[:place] + dice.choice(printable) + text[place + 1 :]


def insert(text: str, dice: Random) -> str:
    place = dice.randrange(len(text) + 1)
    return text[:place] + dice.choice(printable) + text[place:]


def leave_out(text: str, dice: Random) -> str:
    place = dice.randrange(len(text))
    return text[:place] + text[place + 1 :]


def swap(text: str, dice: Random) -> str:
    one, two = sorted(dice.sample(range(len(text)), 2))
    return text[:one] + text[two] + text[one + 1 : two] + text[one] + text[two + 1 :]


def change_case(text: str, dice: Random) -> str:
    return "".join(letter.upper() if dice.random() < 0.1 else letter for letter in text)


def truncate(text: str, dice: Random) -> str:
    return text[: dice.randrange(len(text))]


def swap_prefix(text: str, dice: Random) -> str:
    return text.replace(*dice.choice([("whak", "whpk"), ("whpk", "whak")]))


def pad(text: str, dice: Random) -> str:
    return dice.choice(["{} ", " {}", "{}\n", "\t{}", "{}\0", "{},", '"{}"', "\ufeff{}", "{}\u00a0"]).format(text)


def look_alike(text: str, dice: Random) -> str:
    place = dice.randrange(len(text))
    fullwidth = chr(ord(text[place]) + 0xFEE0)
    return text[:place] + dice.choice([fullwidth, "\u0430", "\u212a", "\u0663", "\u017f"]) + text[place + 1 :]


def lengthen(text: str, dice: Random) -> str:
    return text + dice.choice(text) * dice.randrange(1, 10_000)


def new_secret(text: str, dice: Random) -> str:
    return text[:38] + "".join(dice.choices(ascii_lowercase + "234567", k=52))


def new_id(text: str, dice: Random) -> str:
    return text[:5] + "".join(dice.choices(digits + "abcdef", k=32)) + text[37:]


MUTATIONS = [flip, insert, leave_out, swap, change_case, truncate, swap_prefix, pad, look_alike, lengthen]
FORGERIES = [*MUTATIONS, new_secret, new_id]
TRIES = 900


def forge(forgery: Callable[[str, Random], str], real: list[str], tries: int) -> Iterator[str]:
    """Keys that are almost one of the real ones; of half of them the checksum is right."""
    dice = Random(forgery.__name__)
    for _ in range(tries):
        key = dice.choice(real)
        forged = dice.choice([forgery(key, dice), signed(forgery(key[:-8], dice))])
        if forged not in real:
            yield forged


@pytest.mark.parametrize("forgery", FORGERIES)
def test_almost_a_key_is_none(database: Database, forgery: Callable[[str, Random], str]) -> None:
    """Whatever is changed in a key, its checksum put right or not, it is not accepted."""
    real = [make(database, account_id).key for account_id in ("acme", "other", None)]
    assert [key for key in forge(forgery, real, TRIES) if is_accepted(database, key)] == []
    assert all(is_accepted(database, key) for key in real)


def test_a_secret_opens_only_its_own_id(database: Database) -> None:
    """One key's id with another's secret is not a key, though both are real and the checksum is right."""
    own, other = make(database, "acme").key, make(database, "other").key
    assert not is_accepted(database, signed(other[:38] + own[38:-8]))


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """The SQL statements that are executed, as they come."""
    executed: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        executed.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield executed
    event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    "mutate",
    [lambda _: "nonsense", lambda key: key[:-1], str.upper, lambda key: f"{key[:-8]}{int(key[-8:], 16) ^ 1:08x}"],
    ids=["nonsense", "too short", "upper case", "wrong checksum"],
)
def test_a_malformed_key_costs_no_query(
    database: Database, statements: list[str], mutate: Callable[[str], str]
) -> None:
    """What cannot be a key, by its form or its checksum, is refused without asking the store."""
    key = mutate(make(database, "acme").key)
    statements.clear()
    assert not is_accepted(database, key)
    assert statements == []


def test_a_key_costs_one_query(database: Database, statements: list[str]) -> None:
    """A key is judged, and the account that the request names is looked up, in one round trip."""
    key = make(database, "acme").key
    statements.clear()
    assert is_accepted(database, key)
    assert len(statements) == 1


# How long a key works


@pytest.mark.parametrize(("late", "accepted"), [(-MOMENT, True), (0 * MOMENT, False), (MOMENT, False)])
def test_a_key_works_until_it_expires(database: Database, late: timedelta, accepted: bool) -> None:
    """A key works before its time of expiry, and from that moment on no longer."""
    key = make(database, "acme", expires_at=NOW + HOUR).key
    assert is_accepted(database, key, NOW + HOUR + late) is accepted


@pytest.mark.parametrize("expires_at", [NOW - HOUR, NOW])
def test_no_key_is_made_expired(database: Database, expires_at: datetime) -> None:
    """A time of expiry that is not in the future is refused, naming the field."""
    with pytest.raises(InvalidInput, match="expiresAt"):
        make(database, None, expires_at=expires_at)


def test_a_revoked_key_works_no_more(database: Database) -> None:
    """A key is gone as soon as it has been revoked, and the account's other key is not."""
    revoked, kept = make(database, "acme"), make(database, "acme")
    with database.connect() as connection:
        keys.revoke(connection, revoked.id)
    assert not is_accepted(database, revoked.key)
    assert is_accepted(database, kept.key)


def test_a_key_is_revoked_for_its_own_account_only(database: Database) -> None:
    """To another account, a key is not there."""
    key = make(database, "acme")
    with database.connect() as connection, pytest.raises(KeyNotFound):
        keys.revoke(connection, key.id, "other")
    assert is_accepted(database, key.key)


# How many keys an account has


def test_an_account_has_two_keys(database: Database) -> None:
    """A third active key is refused; revoking one of the two makes room."""
    first, _ = make(database, "acme"), make(database, "acme")
    with pytest.raises(TooManyKeys):
        make(database, "acme")
    with database.connect() as connection:
        keys.revoke(connection, first.id)
    assert make(database, "acme")


def test_an_expired_key_makes_room(database: Database) -> None:
    """Keys count for as long as they work."""
    make(database, "acme", expires_at=NOW + HOUR)
    make(database, "acme")
    with pytest.raises(TooManyKeys):
        make(database, "acme", NOW + HOUR - MOMENT)
    assert make(database, "acme", NOW + HOUR)


def test_the_limit_is_each_accounts_own(database: Database) -> None:
    """One account's keys take no room from another's, and the platform may have any number."""
    for account_id in ("acme", "acme", "other", "other", None, None, None):
        assert is_accepted(database, make(database, account_id).key)


def test_a_key_needs_its_account(database: Database) -> None:
    """No key is made for an account that is not there."""
    with database.transaction() as connection, pytest.raises(AccountNotFound):
        keys.create(connection, "acme", NOW)


# When a key was last used


def last_used_at(database: Database, account_id: str) -> datetime | None:
    """When the account's only key was last used."""
    with database.connect() as connection:
        return keys.list_keys(connection, account_id, None, 1).items[0].last_used_at


@pytest.mark.parametrize(("later", "written"), [(keys.USE_INTERVAL - MOMENT, False), (keys.USE_INTERVAL, True)])
def test_use_is_written_once_in_an_interval(database: Database, later: timedelta, written: bool) -> None:
    """A use that follows another within a minute is not written down."""
    key = make(database, "acme")
    with database.connect() as connection:
        keys.record_use(connection, [key.id], NOW)
        keys.record_use(connection, [key.id], NOW + later)
    assert last_used_at(database, "acme") == (NOW + later if written else NOW)


def test_only_the_used_keys_are_written(database: Database) -> None:
    """Recording the use of one key leaves the others as they are."""
    used, _ = make(database, "acme"), make(database, "other")
    with database.connect() as connection:
        keys.record_use(connection, [used.id], NOW)
    assert last_used_at(database, "other") is None


def test_a_request_is_a_use(database: Database, customer: Api) -> None:
    """Within a couple of seconds after a request, its key has the time of it."""
    before = datetime.now(UTC)
    customer("GET", WEBHOOK)
    assert before < wait_until(lambda: last_used_at(database, "acme"), 3) < datetime.now(UTC)


def test_a_request_soon_after_is_not_written(database: Database, make_customer: Callable[[str], Api]) -> None:
    """A second request within a minute changes nothing, though another key's use is written after it."""
    first, second = make_customer("first"), make_customer("second")
    first("GET", WEBHOOK)
    written = wait_until(lambda: last_used_at(database, "first"), 3)
    first("GET", WEBHOOK)
    second("GET", WEBHOOK)
    wait_until(lambda: last_used_at(database, "second"), 3)
    assert last_used_at(database, "first") == written


# How a request presents its key


@pytest.mark.parametrize(
    "headers",
    [
        lambda key: {"X-API-Key": key},
        lambda key: {"Authorization": f"Bearer {key}"},
        lambda key: {"Authorization": f"bearer {key}"},
        lambda key: {"X-API-Key": key, "Authorization": f"Bearer {key}"},
        lambda key: {"X-API-Key": key, "Authorization": "Basic YTpi"},
    ],
    ids=["X-API-Key", "Bearer", "bearer", "both", "beside Basic"],
)
def test_a_key_comes_in_a_header(anyone: Api, customer: Api, headers: Callable[[str], dict[str, str]]) -> None:
    """X-API-Key and a Bearer token do equally well, also both with the same key."""
    assert anyone("GET", WEBHOOK, headers=headers(str(customer.key))).status_code == 404


@pytest.mark.parametrize("name", ["X-API-Key", "api_key", "apiKey", "key", "access_token", "token"])
def test_a_key_in_the_query_string_is_none(anyone: Api, customer: Api, name: str) -> None:
    """A key in the URL, where proxies and browsers log it, opens nothing."""
    assert anyone("GET", WEBHOOK, query_string={name: customer.key}).status_code == 401


@pytest.fixture
def bad_headers(database: Database, customer: Api) -> list[dict[str, str]]:
    """One of every kind of request without a good key: what is in its headers."""
    good = str(customer.key)
    expired = make(database, "expired", expires_at=NOW + HOUR).key
    revoked = make(database, "revoked")
    with database.connect() as connection:
        keys.revoke(connection, revoked.id)
    bad = ["", "nonsense", good[:-1], good + "x", signed(new_id(good, Random(1))[:-8]), expired, revoked.key]
    return [
        {},
        {"Authorization": "Basic YTpi"},
        {"X-API-Key": good, "Authorization": f"Bearer {make(database, 'other', datetime.now(UTC)).key}"},
        {"X-API-Key": good, "Authorization": "Bearer nonsense"},
        {"X-API-Key": "nonsense", "Authorization": f"Bearer {good}"},
        {"X-API-Key": f"{good}, {good}"},
        *({"X-API-Key": key} for key in bad),
        *({"Authorization": f"Bearer {key}"} for key in bad),
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", WEBHOOK),
        ("POST", WEBHOOK),
        ("PATCH", WEBHOOK),
        ("GET", "/accounts"),
        ("GET", "/webhooks"),
        ("DELETE", "/accounts/acme"),
        ("GET", "/accounts/nobody"),
        ("POST", "/accounts/acme/keys"),
        ("DELETE", "/accounts/acme/keys/key_1"),
    ],
)
def test_every_401_is_the_same(anyone: Api, bad_headers: list[dict[str, str]], method: str, path: str) -> None:
    """Missing, malformed, unknown, expired, revoked, ambiguous: byte for byte one answer, whatever is called how."""
    answers = [anyone(method, path, headers=headers, data=b"{not JSON") for headers in bad_headers]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.data for answer in answers}) == 1
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {'Bearer realm="webhook-admin"'}


@pytest.mark.parametrize("header", ["X-API-Key: {}", "Authorization: Bearer {}"])
def test_almost_a_key_opens_nothing(anyone: Api, customer: Api, platform: Api, header: str) -> None:
    """Forged keys are 401 over HTTP as well, whatever bytes they are made of."""
    name, value = header.split(": ")
    real = [str(customer.key), str(platform.key)]
    forged = [key for forgery in FORGERIES for key in forge(forgery, real, 20)]
    # A header's value cannot hold a line break, and space around it is no part of it.
    possible = [key for key in forged if not re.search(r"[\r\n]", key) and key.strip() not in real]
    sent = [{name: value.format(key.encode().decode("latin-1"))} for key in possible]
    assert len(sent) > 200
    assert {anyone("GET", WEBHOOK, headers=headers).status_code for headers in sent} == {401}


# What a key opens


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/webhooks"),
        ("GET", "/accounts"),
        ("GET", "/accounts/acme"),
        ("PUT", "/accounts/acme"),
        ("DELETE", "/accounts/acme"),
        ("DELETE", "/accounts/nobody"),
        ("PATCH", "/accounts/acme"),
        ("GET", "/accounts/acme/keys"),
        ("POST", "/accounts/acme/keys"),
        ("DELETE", "/accounts/acme/keys/key_1"),
    ],
)
def test_an_account_key_opens_nothing_of_the_platforms(customer: Api, method: str, path: str) -> None:
    """The platform's resources are 403 to an account, its own account's included, before anything else is judged."""
    answer = customer(method, path, data=b"{not JSON")
    assert (answer.status_code, answer.json["type"]) == (403, "urn:webhook-admin:forbidden")
    assert customer("GET", WEBHOOK).status_code == 404


@pytest.mark.parametrize(("named", "status"), [("acme", 404), ("other", 403), ("nobody", 403), ("no/id", 403)])
def test_an_account_key_acts_for_its_own_account_only(
    customer: Api, make_customer: Callable[[str], Api], named: str, status: int
) -> None:
    """In X-Account-Id, an account key may name its own account; any other is 403, existing or not."""
    make_customer("other")
    customer.account = named
    assert customer("GET", WEBHOOK).status_code == status


@pytest.mark.parametrize(
    ("named", "status"), [(None, 400), ("", 400), ("no/id", 400), ("a" * 65, 400), ("nobody", 404)]
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_platform_key_names_an_account(platform: Api, method: str, named: str | None, status: int) -> None:
    """On an account's resource, a platform key without X-Account-Id is 400, naming it; an unknown account is 404."""
    platform.account = named
    answer = platform(method, WEBHOOK)
    assert answer.status_code == status
    assert [error["field"] for error in answer.json.get("errors", [])] == (["X-Account-Id"] if status == 400 else [])


def test_a_platform_key_acts_for_the_account_that_it_names(platform: Api, customer: Api) -> None:
    """What a platform key does for an account, the account sees."""
    platform.account = "acme"
    assert platform("POST", WEBHOOK, json={"callbackUrl": URL_1}).status_code == 201
    assert customer("GET", WEBHOOK).json["callbackUrl"] == URL_1


# Where no key is to be found again


CALLBACK_URLS = [
    "https://hooks.example.com/delivery-status?token=sesame",
    "HTTPS://hooks.example.com/delivery-status?token=sesame",
    "https://hooks.example.com/what's-new?token=sesame",
    "https://hooks.example.com/delivery-status?name='acme'&token=sesame",
]
# Makes every PUT of a webhook fail in the database, so that the log has tracebacks, and the row as PostgreSQL tells it.
BREAK = {
    "sqlite": "CREATE TRIGGER broken BEFORE UPDATE ON webhooks BEGIN SELECT RAISE(ABORT, 'broken'); END",
    "postgresql": "ALTER TABLE webhooks ADD CONSTRAINT broken CHECK (revision < 0) NOT VALID",
}


def use(url: str, platform: str, database: Database) -> tuple[set[str], set[int]]:
    """Call the service at `url` rightly and wrongly; every secret that came up, and every status."""
    statuses = set()

    def call(method: str, path: str, key: str | None = None, **options: Any) -> Any:
        headers = {"X-API-Key": key} | options.pop("headers", {})
        response = requests.request(method, url + path, headers=headers, timeout=10, **options)
        statuses.add(response.status_code)
        return response.json() if response.content else None

    call("PUT", "/accounts/acme", platform, json={})
    key, revoked = (call("POST", "/accounts/acme/keys", platform, json={}) for _ in range(2))
    webhook = call("POST", WEBHOOK, key["key"], json={"callbackUrl": CALLBACK_URLS[0]})
    call("DELETE", f"/accounts/acme/keys/{revoked['id']}", platform)
    for secret in (platform, key["key"], revoked["key"], webhook["signingSecret"]):
        call("GET", WEBHOOK, secret)
        call("GET", WEBHOOK, params={"api_key": secret})
        call("PATCH", WEBHOOK, key["key"], params={"api_key": secret})
        call("GET", f"/{secret}")
        call("GET", f"/accounts/{secret}", platform)
        call("DELETE", f"/accounts/acme/keys/{secret}", platform)
        call("GET", WEBHOOK, platform, headers={"X-Account-Id": secret})
        call("GET", WEBHOOK, key["key"], headers={"X-Account-Id": secret, "X-Correlation-Id": secret})
        call("PUT", WEBHOOK, key["key"], json={secret: secret})
        call("PUT", WEBHOOK, key["key"], data=secret)
    for callback_url in CALLBACK_URLS:
        call("POST", WEBHOOK, key["key"], json={"callbackUrl": callback_url})
        call("PUT", WEBHOOK, key["key"], json={"callbackUrl": f"{callback_url}#fragment"})
        call("PUT", WEBHOOK, key["key"], json={"callbackUrl": callback_url})
        call("GET", f"{WEBHOOK}/{quote(callback_url, safe='')}", key["key"])
    with database.connect() as connection:
        connection.exec_driver_sql(BREAK[connection.dialect.name])
    for callback_url in CALLBACK_URLS:
        call("PUT", WEBHOOK, key["key"], json={"callbackUrl": callback_url})
    return {platform, key["key"], revoked["key"], webhook["signingSecret"]}, statuses


def stored(database: Database) -> bytes:
    """Every value in the database, as text or as the bytes that it is."""
    with database.connect() as connection:
        tables = inspect(connection).get_table_names()
        rows = [row for table in tables for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_is_stored_or_logged(
    environment: pytest.MonkeyPatch, start: Callable[..., Process], database: Database, log_format: str
) -> None:
    """Neither store nor log has a key or a signing secret, and the log no callback URL's query string either."""
    environment.setenv("WEBHOOK_ADMIN_LOG_LEVEL", "debug")
    environment.setenv("WEBHOOK_ADMIN_LOG_FORMAT", log_format)
    process = start()
    secrets, statuses = use(process.url, make(database, None).key, database)
    assert statuses == {200, 201, 204, 400, 401, 403, 404, 405, 409, 415, 500}
    process.stop()
    log, store = process.log.read_bytes(), stored(database)
    assert b"Traceback" in log
    assert b"acme" in store
    assert [line for line in log.splitlines() if b"sesame" in line] == []
    # Of a key, the id is no secret.
    for secret in (re.sub("wh[ap]k_[0-9a-f]{32}_|whsec_", "", secret) for secret in secrets):
        assert secret[:40].encode() not in log + store

"""What the queue's statements read: as much as they are asked for, and never the whole backlog, nor all lanes."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.engine import Queue, release
from webhook_admin.db import Transaction
from webhook_admin.queue import (
    attempts,
    clock,
    deliveries,
    due_deliveries,
    due_lanes,
    erasure,
    history,
    lanes,
    leases,
    operational_events,
    resend,
    retention,
    statistics,
)
from webhook_admin.queue.attempts import Attempt, Begun
from webhook_admin.queue.backlog import look
from webhook_admin.queue.deliveries import State, Transition
from webhook_admin.queue.due_deliveries import Due, Wanted
from webhook_admin.queue.due_lanes import LOOKED_AT, Ask
from webhook_admin.queue.lanes import Key, Standing
from webhook_admin.queue.operational_events import Kind, OperationalEvent
from webhook_admin.queue.selection import Filter

NOW = 1_780_000_000_000
BACKLOG = 100_000
KEYS = [Key("big", ""), *(Key(f"a{number:03}", "") for number in range(50))]
# More than psycopg's threshold for prepared statements and PostgreSQL's for generic plans together.
ROUNDS = 12
PER_LANE = 4
# What a whole scan would read, by far; and what one lane's deliveries may cost, with room to spare.
MOST_ROWS = 20 * PER_LANE * len(KEYS)
MOST_STEPS = 400_000


@pytest.fixture
def vacuumed(queue: Queue) -> Queue:
    """The tables as new: those of a used database may be known to have a page, and no row in it."""
    if not queue.database.file:
        with queue.database.connect() as connection:
            connection.execute(text("VACUUM deliveries, attempts, lanes"))
            connection.execute(text("ALTER TABLE deliveries SET (autovacuum_enabled = off)"))
            connection.execute(text("ALTER TABLE lanes SET (autovacuum_enabled = off)"))
    return queue


@pytest.fixture(params=["never", "before", "now"])
def analyzed(request: pytest.FixtureRequest, vacuumed: Queue) -> str:
    """When statistics are gathered: never, or before the backlog came, when 50 deliveries had ended, or now."""
    if request.param == "before":
        if vacuumed.database.file:
            pytest.skip("SQLite gathers statistics only when somebody asks for them")
        with vacuumed.database.connect() as connection:
            connection.execute(
                text(f"""
                INSERT INTO deliveries (account_id, account_created_at, id, destination, event_id, message_id, event,
                                        state, attempts, recorded, created_at)
                WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 50)
                SELECT 'old', '2026-01-31 09:30:00.000000', 'dlv_old' || n, '', 'evt_' || n, 'msg_' || n, '{{}}',
                       'DELIVERED', 1, 1, {NOW} FROM numbers
                """)
            )
            connection.execute(text("ANALYZE"))
    return str(request.param)


@pytest.fixture
def backlog(vacuumed: Queue) -> Queue:
    """Half of all deliveries wait in one lane, the others in a thousand."""
    queue = vacuumed
    numbers = (
        f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {BACKLOG})"
        if queue.database.file
        else f"WITH numbers(n) AS (SELECT generate_series(1, {BACKLOG}))"
    )
    account = "CASE WHEN n % 2 = 0 THEN 'big' ELSE 'a' || substr('00' || (n / 2 % 1000), -3) END"
    if not queue.database.file:
        account = "CASE WHEN n % 2 = 0 THEN 'big' ELSE 'a' || lpad((n / 2 % 1000)::text, 3, '0') END"
    with queue.database.transaction() as connection:
        connection.execute(
            text(f"""
            INSERT INTO deliveries (account_id, account_created_at, id, destination, event_id, message_id, event, state,
                                    due_at, attempts, recorded, created_at)
            {numbers if queue.database.file else ""}
            SELECT {account}, '2026-01-31 09:30:00.000000', 'dlv_' || n, '', 'evt_' || n, 'msg_' || n, '{{}}',
                   'PENDING', {NOW} - {BACKLOG} + n, 0, 0, {NOW}
            FROM {"numbers" if queue.database.file else f"generate_series(1, {BACKLOG}) AS numbers(n)"}
        """)
        )
        connection.execute(
            text(f"""
            INSERT INTO lanes (account_id, destination, due_at, failures, paused_until)
            SELECT DISTINCT account_id, '', {NOW}, 0, 0 FROM deliveries
        """)
        )
        connection.execute(
            text("""
            INSERT INTO accounts (id, created_at, updated_at)
            SELECT DISTINCT account_id, account_created_at, account_created_at FROM deliveries
            """)
        )
    return queue


@contextmanager
def bounded(
    connection: Connection, table: str = "deliveries", most_rows: int = MOST_ROWS, most_steps: int = MOST_STEPS
) -> Iterator[None]:
    """Fails unless what is done inside reads little: PostgreSQL counts a table's rows, SQLite steps of its machine."""
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        steps = [0]
        driver.set_progress_handler(lambda: steps.append(steps.pop() + 1), 100)
        yield
        driver.set_progress_handler(None, 0)
        assert steps[0] * 100 < most_steps
    else:
        scans, rows = reads(connection, table)
        yield
        scans_after, rows_after = reads(connection, table)
        assert scans_after == scans
        assert rows_after - rows < most_rows


def reads(connection: Connection, table: str) -> tuple[int, int]:
    """Scans of a whole table, and rows of it that were found by an index, in this transaction so far."""
    counts = text("SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = :name")
    scans, rows = connection.execute(counts, {"name": table}).one()
    return scans, rows


def test_nothing_reads_the_backlog(analyzed: str, backlog: Queue) -> None:
    """Fetching, counting, recording, concluding and releasing cost what they move, however much waits.

    Whenever statistics were gathered, and by the plans that the database settles for after some calls.
    """
    with backlog.database.connect() as connection:
        if analyzed == "now":
            connection.execute(text("ANALYZE"))
    with backlog.database.transaction() as connection:
        for round_ in range(ROUNDS):
            for step in (fetch, hold, count, write_down, settle, give_back, see):
                with bounded(connection):
                    step(connection, round_)


def fetch(connection: Transaction, round_: int) -> list[Due]:
    """Fetch due deliveries, beside those in flight."""
    in_flight = [f"dlv_{2 * number}" for number in range(10)]
    found = due_deliveries.due(connection, [Wanted(key, PER_LANE, in_flight) for key in KEYS], NOW)
    assert len(found) == PER_LANE * len(KEYS)
    return found


def hold(connection: Transaction, round_: int) -> None:
    """The accounts of deliveries to per-message URLs are held, before requests to them start."""
    found = due_deliveries.due(connection, [Wanted(KEYS[0], PER_LANE, [])], NOW)
    assert len(attempts.hold_unchanged(connection, found)) == PER_LANE


def some(round_: int) -> list[tuple[str, str]]:
    """Accounts and ids of some deliveries, others in each round."""
    return [("big", f"dlv_{2 * (100 * round_ + number)}") for number in range(1, 100)]


def count(connection: Transaction, round_: int) -> None:
    """Attempts begin; some of them are not made."""
    url = "https://hooks.example.com/"
    begun = [
        Begun(account_id=account_id, id=id_, attempts=1, begun_at=NOW, callback_url=url, payload_format="standard")
        for account_id, id_ in some(round_)
    ]
    assert len(attempts.begin(connection, begun)) == len(begun)
    attempts.take_back(connection, begun[:10])


def write_down(connection: Transaction, round_: int) -> None:
    """Attempts go on record."""
    made = [
        Attempt(account_id=account_id, delivery_id=id_, number=1, started_at=NOW, duration_ms=5, outcome="delivered")
        for account_id, id_ in some(round_)
    ]
    attempts.record(connection, made)


def settle(connection: Transaction, round_: int) -> None:
    """Deliveries get their next states."""
    ended = [
        Transition(account_id=account_id, id=id_, attempts=1, state=State.DELIVERED)
        for account_id, id_ in some(round_)[10:]
    ]
    deliveries.conclude(connection, ended)


def give_back(connection: Connection, round_: int) -> None:
    """Lanes are leased, renewed, and given back."""
    asks = [Ask(standing=standing, limit=len(KEYS), share=1, held={}) for standing in Standing]
    taken = due_lanes.lease(connection, "one", NOW, NOW + 1, asks).leases
    assert len(leases.renew(connection, "one", NOW + 1)) == len(taken) == len(KEYS)
    released = [release(lease.key, standing=lease.standing, not_before=NOW) for lease in taken]
    leases.release(connection, "one", released, NOW)
    assert lanes.next_due(connection, NOW) is None


def see(connection: Connection, round_: int) -> None:
    """A scrape looks at what is pending and overdue, in lanes that are leased and in others."""
    asks = [Ask(standing=standing, limit=len(KEYS), share=1, held={}) for standing in Standing]
    taken = due_lanes.lease(connection, "one", NOW, NOW + 1, asks).leases
    assert look(connection, NOW, most=MOST_ROWS // 8).pending == MOST_ROWS // 8
    released = [release(lease.key, standing=lease.standing, not_before=NOW) for lease in taken]
    leases.release(connection, "one", released, NOW)


@pytest.fixture
def crowd(vacuumed: Queue) -> Queue:
    """20,000 quick lanes and 10,000 failing ones of one account that are all due, and 20,000 idle ones."""
    with vacuumed.database.transaction() as connection:
        for standing, count, due in (("quick", 20_000, True), ("failing", 10_000, True), ("slow", 20_000, False)):
            account = "'hog'" if standing == "failing" else "'q' || n" if due else "'i' || n"
            numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"
            connection.execute(
                text(f"""
                INSERT INTO lanes (account_id, destination, due_at, idle_since, failures, paused_until, standing)
                {numbers} SELECT {account}, 'https://' || n, {f"{NOW} - n" if due else "NULL"},
                    {"NULL" if due else f"{NOW} - n"}, 0, 0, '{standing}' FROM numbers
                """)
            )
    return vacuumed


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_nothing_reads_all_lanes(crowd: Queue, is_analyzed: bool) -> None:
    """A turn reads what it looks at, and everything else what it moves, however many lanes are due or idle."""
    with crowd.database.connect() as connection:
        if is_analyzed:
            connection.execute(text("ANALYZE"))
    steps: list[Callable[[Connection], object]] = [
        look_and_lease,
        lambda connection: leases.renew(connection, "one", NOW + 1),
        lambda connection: leases.release(
            connection, "one", [release(Key(f"q{number}", f"https://{number}")) for number in range(20_000)][:100], NOW
        ),
        lambda connection: lanes.put(connection, [Key("q1", "https://1"), Key("i1", "https://1")], NOW),
        lambda connection: lanes.mark_changed(connection, "i2", NOW, every_destination=True),
        lambda connection: lanes.prune(connection, NOW, limit=100),
        lambda connection: lanes.next_due(connection, NOW - 5_000),
        lambda connection: look(connection, NOW, most=LOOKED_AT // 2),
    ]
    with crowd.database.transaction() as connection:
        for step in steps:
            with bounded(connection, "lanes", 3 * LOOKED_AT, 150 * LOOKED_AT):
                step(connection)


def look_and_lease(connection: Connection) -> None:
    """A turn that takes 100 lanes of each standing, of which one account has more than its share."""
    asks = [
        Ask(standing=standing, limit=100, share=5, held={"hog": 5 if standing == Standing.FAILING else 0})
        for standing in Standing
    ]
    leased = due_lanes.lease(connection, "one", NOW, NOW + 1, asks)
    assert len(leased.leases) == 100


@pytest.fixture
def on_record(backlog: Queue) -> Queue:
    """The half of the backlog that is one account's has ended; of its latest 200 deliveries, one in two has failed.

    Statistics, where there are any, are from before.
    """
    with backlog.database.connect() as connection:
        connection.execute(text("ANALYZE"))
    # As long as ids are, so that the order of texts is that of numbers, and of a time after the account's creation.
    digits = "printf('9%031d', CAST(substr(id, 5) AS integer))"
    if not backlog.database.file:
        digits = "'9' || lpad(substr(id, 5), 31, '0')"
    with backlog.database.transaction() as connection:
        connection.execute(
            text(f"""
            UPDATE deliveries SET id = 'dlv_' || {digits}, state = CASE
                WHEN CAST(substr(id, 5) AS integer) % 4 = 0 AND CAST(substr(id, 5) AS integer) > {BACKLOG - 400}
                THEN 'FAILED' ELSE 'DELIVERED' END, due_at = NULL, status = 'SENT', channel = 'SMS',
                recipient = '+' || CASE WHEN id LIKE '%8' THEN '999' ELSE id END
            WHERE account_id = 'big'
            """)
        )
    if not backlog.database.file:
        # The index entries of the rows as they were: vacuum removes them, and leaves the statistics of columns.
        with backlog.database.connect() as connection:
            connection.execute(text("VACUUM deliveries"))
    return backlog


LATEST = f"dlv_9{BACKLOG:031}"
FOUND_BY: list[tuple[dict[str, Any], int]] = [
    ({}, 50),
    ({"states": ["FAILED"]}, 50),
    ({"states": ["FAILED", "CANCELLED", "SKIPPED"]}, 50),
    ({"states": ["PENDING", "CANCELLED"]}, 0),
    ({"states": ["DELIVERED"], "status": "SENT"}, 50),
    ({"status": "SENT"}, 50),
    ({"status": "READ"}, 0),
    ({"channel": "SMS"}, 50),
    ({"channel": "RCS", "states": ["FAILED"]}, 0),
    ({"channel": "SMS", "status": "SENT", "states": ["FAILED"]}, 50),
    ({"message_id": f"msg_{BACKLOG}"}, 1),
    ({"message_id": f"msg_{BACKLOG}", "states": ["FAILED"]}, 1),
    ({"message_id": f"msg_{BACKLOG}", "states": ["DELIVERED"], "channel": "RCS"}, 0),
    ({"recipient": "+999"}, 50),
    ({"recipient": "nobody"}, 0),
]


def test_no_list_reads_past_what_does_not_fit(on_record: Queue) -> None:
    """Each filter and combination is served by an index, in both directions and from the middle on."""
    with on_record.database.transaction() as connection:
        for (wanted, count), oldest_first, after in product(FOUND_BY, (False, True), (None, LATEST, "dlv_")):
            with bounded(connection):
                found = history.list_deliveries(
                    connection, Filter(account_id="big", **wanted), after, 50, oldest_first=oldest_first
                )
            if after is None:
                assert len(found.items) == count


def test_a_message_or_a_recipient_is_found_in_all_accounts_by_its_index(on_record: Queue) -> None:
    """Support finds it, or that there is none, without reading other messages."""
    with on_record.database.transaction() as connection:
        for wanted, count in (
            (Filter(message_id=f"msg_{BACKLOG}"), 1),
            (Filter(message_id="nowhere"), 0),
            (Filter(recipient=f"+dlv_{BACKLOG}"), 1),
            (Filter(recipient="nobody"), 0),
        ):
            with bounded(connection):
                found = history.list_deliveries(connection, wanted, None, 20)
            assert len(found.items) == count


def test_an_operational_event_reads_no_backlog(backlog: Queue) -> None:
    """Every turn in which a delivery fails stores one, or finds that there has been one."""
    failed = OperationalEvent(kind=Kind.DELIVERY_FAILED, subject="wh_1", occasion="1", at=NOW, data={})
    recovered = OperationalEvent(kind=Kind.RECOVERED, subject="wh_1", occasion="1", at=NOW, data={})
    with backlog.database.transaction() as connection:
        for is_news in (True, False):
            with bounded(connection):
                assert operational_events.store(connection, [failed, recovered]) is is_news


def test_looking_at_what_waits_reads_no_backlog(backlog: Queue) -> None:
    """The page's overview counts up to 10,000, and otherwise reads the first of each kind."""
    with backlog.database.transaction() as connection, bounded(connection, most_rows=2 * statistics.MAX_PENDING):
        waiting = statistics.waiting(connection, "big", NOW)
    assert waiting.pending == statistics.MAX_PENDING
    assert waiting.next_due is not None


def test_no_resend_reads_past_what_does_not_fit(on_record: Queue) -> None:
    """Choosing costs what fits, and resending what is resent."""
    now = clock.moment(NOW)
    with on_record.database.transaction() as connection:
        connection.execute(
            text("""
            INSERT INTO webhooks (account_id, id, callback_url, payload_format, status, signing_secret, revision,
                                  created_at, updated_at)
            SELECT id, 'wh_1', 'https://hooks.example.com/', 'standard', 'ACTIVE', 'x', 1, created_at, created_at
            FROM accounts WHERE id = 'big'
            """)
        )
        with bounded(connection):
            matched = resend.choose(connection, Filter(account_id="big"), now)
        assert len(matched.deliveries) == 100
        with bounded(connection):
            assert resend.some(connection, "big", matched.deliveries, now) == 100
        with bounded(connection):
            resend.one(connection, "big", LATEST, now)


@pytest.fixture
def ended(queue: Queue) -> Queue:
    """60,000 deliveries of 100 accounts that ended long ago with an attempt each, and as many rows of statistics."""
    id_ = "'dlv_' || printf('%032x', n)" if queue.database.file else "'dlv_' || lpad(to_hex(n), 32, '0')"
    numbers = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 60000)"
    with queue.database.transaction() as connection:
        for statement in (
            f"""
            INSERT INTO deliveries (account_id, account_created_at, id, destination, event_id, message_id, event, state,
                                    attempts, recorded, created_at, recipient)
            {numbers} SELECT 'a' || (n % 100), '2026-01-31 09:30:00.000000', {id_}, '', 'evt_' || n, 'msg_' || n,
                '{{}}', 'DELIVERED', 1, 1, 1, CASE WHEN n % 2 = 0 THEN '+' || (n % 1000) END FROM numbers
            """,
            f"""
            INSERT INTO attempts (account_id, delivery_id, number, started_at, outcome)
            SELECT account_id, id, 1, {NOW}, 'delivered' FROM deliveries
            """,
            f"""
            INSERT INTO statistics (account_id, hour, kind, count)
            {numbers} SELECT 'a' || (n % 100), n / 100, '', 1 FROM numbers
            """,
        ):
            connection.execute(text(statement))
    return queue


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_retention_reads_what_it_deletes(ended: Queue, is_analyzed: bool) -> None:
    """A step looks at the next deliveries by id, and deletes them and their attempts by their keys."""
    with ended.database.connect() as connection:
        for table in ("deliveries", "attempts", "statistics"):
            if is_analyzed:
                connection.execute(text(f"ANALYZE {table}"))
            elif not ended.database.file:
                connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = off)"))
    with ended.database.transaction() as connection:
        for table in ("deliveries", "attempts"):
            with bounded(connection, table, 1_000, 100_000):
                found = retention.find(connection, "", NOW, 100)
                assert retention.delete(connection, found, NOW) == (100, 100)
        with bounded(connection, "statistics", 1_000, 100_000):
            account_ids = retention.counted_accounts(connection, "", 10)
            assert retention.delete_statistics(connection, account_ids, 2) == 19


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_erasure_reads_what_it_erases(ended: Queue, is_analyzed: bool) -> None:
    """An index finds the recipient's deliveries, and their keys the attempts; also beside rows of before the column."""
    with ended.database.transaction() as transaction:
        transaction.execute(text("UPDATE deliveries SET recipient = '' WHERE recipient IN ('+8', '+10')"))
    with ended.database.connect() as connection:
        for table in ("deliveries", "attempts"):
            if is_analyzed:
                connection.execute(text(f"ANALYZE {table}"))
            elif not ended.database.file:
                connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = off)"))
    for table, recipient in (("deliveries", "+2"), ("attempts", "+4")):
        with ended.database.transaction() as connection, bounded(connection, table, 1_000, 100_000):
            assert erasure.blank(connection, erasure.lock(connection, recipient, 100), NOW) == (60, 0)
            assert len(erasure.lock(connection, "", 100)) == 100


def test_the_measure_measures(backlog: Queue) -> None:
    """A statement that does read the backlog is noticed."""
    whole: list[Callable[[Connection], object]] = [
        lambda connection: connection.execute(text("SELECT count(*) FROM deliveries WHERE event <> ''")).all(),
    ]
    with backlog.database.transaction() as connection:
        for read in whole:
            with pytest.raises(AssertionError), bounded(connection):
                read(connection)

"""One statement over many rows, alike on both stores."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webhook_admin import accounts
from webhook_admin.db import Database
from webhook_admin.db.bulk import bulk

COLUMNS = {"name": "text", "size": "bigint"}
ROWS = "SELECT name, size FROM {given}"
# PostgreSQL has no NUL in texts, and neither has UTF-8 surrogates.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
INTEGERS = st.integers(-(2**63), 2**63 - 1)


def rows_of(database: Database, statement: str, rows: list[tuple[Any, ...]], **values: Any) -> list[tuple[Any, ...]]:
    """What the statement over the rows returns."""
    with database.connect() as connection:
        return [tuple(row) for row in bulk(connection, statement, COLUMNS, rows, **values)]


@given(rows=st.lists(st.tuples(st.none() | TEXTS, st.none() | INTEGERS)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_rows_come_through_as_they_are(database: Database, rows: list[tuple[Any, ...]]) -> None:
    """Whatever texts and numbers, nothing included, and in their order."""
    assert rows_of(database, ROWS, rows) == rows


@pytest.mark.parametrize(
    "text", ['"', "'", "\\", "\\u0041", "{", "[1]", "null", "NULL", ":size", "%s", "%(a)s", "☃", ""]
)
def test_no_text_is_special(database: Database, text: str) -> None:
    """What looks like JSON, SQL or a parameter is text."""
    assert rows_of(database, ROWS, [(text, 1)]) == [(text, 1)]


def test_no_rows_are_no_statement(database: Database) -> None:
    """Nothing is run, and nothing comes back."""
    assert rows_of(database, "SELECT no_such_column FROM {given}", []) == []


def test_other_parameters_are_beside_the_rows(database: Database) -> None:
    """`:like_this`."""
    rows = [("a", 1), ("b", 2), ("c", 3)]
    assert rows_of(database, f"{ROWS} WHERE size > :least", rows, least=1) == rows[1:]


def test_ten_thousand_rows_are_one_statement(database: Database) -> None:
    """There is no limit to the rows, as there would be to single parameters."""
    rows = [(f"name {number}", number) for number in range(10_000)]
    assert rows_of(database, "SELECT count(*), sum(size) FROM {given}", rows) == [(10_000, sum(range(10_000)))]


def test_a_statement_without_rows_of_its_own_returns_none(database: Database) -> None:
    """An UPDATE without RETURNING comes back empty."""
    statement = "UPDATE lanes SET due_at = given.size FROM {given} WHERE lanes.account_id = given.name"
    assert rows_of(database, statement, [("acme", 1)]) == []


def test_a_moment_is_compared_with_a_column(database: Database) -> None:
    """As both stores keep moments, to the microsecond."""
    moment = datetime(2026, 1, 31, 9, 30, 0, 5, UTC)
    with database.connect() as connection:
        accounts.create(connection, "acme", moment)
        statement = "SELECT created_at = :same, created_at < :later FROM {given} JOIN accounts ON id = given.name"
        (row,) = bulk(
            connection, statement, COLUMNS, [("acme", 1)], same=moment, later=moment + timedelta(microseconds=1)
        )
    assert tuple(row) == (True, True)

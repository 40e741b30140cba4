"""One statement over many rows."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import ARRAY, Column, ColumnElement, Connection, Row, Text, TextClause, any_, bindparam, text

from webhook_admin.columns import UtcDateTime


def bulk(
    connection: Connection, statement: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]], **values: Any
) -> Sequence[Row[Any]]:
    """Run one statement over many rows: `{given}` in it is a table of them. Returns what the statement does.

    `columns` names the table's columns and PostgreSQL's types of them: of text and of whole numbers, None included.
    `values` are the statement's other parameters, `:like_this`; of these, datetimes are as the columns have them.
    """
    if not rows:
        return []
    # As JSON, which both databases take apart faster than Python could put together their own arrays.
    if connection.dialect.name == "postgresql":
        series = [_json(column) for column in zip(*rows, strict=True)]
        given = dict(zip(map("given_{}".format, columns), series, strict=True))
        wording = _postgresql(statement, tuple(columns.items()))
    else:
        given = {"given": _json(rows)}
        wording = _sqlite(statement, tuple(columns))
    if moments := [name for name, value in values.items() if isinstance(value, datetime)]:
        wording = wording.bindparams(*(bindparam(name, type_=UtcDateTime) for name in moments))
    result = connection.execute(wording, given | values)
    return result.all() if result.returns_rows else []


def first_rows(connection: Connection, table: str, chosen: str) -> str:
    """A join with the first rows of `table` for each row of `{given}`.

    `chosen` is the end of a SELECT over the table's rows, named `candidates`: conditions, order and limit.
    """
    if connection.dialect.name == "postgresql":
        return f"CROSS JOIN LATERAL (SELECT candidates.* FROM {table} AS candidates {chosen}) AS {table}"
    return f"JOIN {table} ON {table}.rowid IN (SELECT candidates.rowid FROM {table} AS candidates {chosen})"


def merged(
    connection: Connection, select: str, groups: Sequence[Mapping[str, str]], key: str, *, descending: bool
) -> str:
    """The first `:limit` rows of several groups of a table together, from the key `:low` to before `:high`.

    `select` ends with conditions. A group is given by its values of columns, which are written into the statement; an
    index begins with what `select` demands, goes on with these columns and ends with `key`. At most `:limit` entries
    of each group are read.
    """
    direction = "DESC" if descending else "ASC"
    if connection.dialect.name != "postgresql":
        # SQLite reads the groups side by side, each in the order of the whole.
        conditions = [" AND ".join(f"{name} = '{value}'" for name, value in group.items()) for group in groups]
        parts = [f"{select} AND {each} AND {key} >= :low AND {key} < :high" for each in conditions]
        return f"{' UNION ALL '.join(parts)} ORDER BY {key} {direction} LIMIT :limit"
    parts = []
    for group in groups:
        # Only that index has this order. With equations PostgreSQL could use any that ends with the key, and would read
        # past all other groups, should its statistics be older than the rows.
        names, values = ", ".join((*group, key)), ", ".join(f"'{value}'" for value in group.values())
        order = ", ".join(f"{name} {direction}" for name in (*group, key))
        bounds = f"({names}) >= ({values}, :low) AND ({names}) < ({values}, :high)"
        parts.append(f"({select} AND {bounds} ORDER BY {order} LIMIT :limit)")
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS merged ORDER BY {key} {direction} LIMIT :limit"


def among(connection: Connection, column: Column[str], values: Collection[str]) -> ColumnElement[bool]:
    """Whether the column's value is one of `values`: one parameter, however many there are."""
    if connection.dialect.name == "postgresql":
        return column == any_(bindparam(None, sorted(values), ARRAY(Text)))
    listed = text("SELECT value FROM json_each(:values)").bindparams(values=_json(sorted(values)))
    return column.in_(listed)


def _json(values: Any) -> str:
    return msgspec.json.encode(values).decode()


@lru_cache
def _postgresql(statement: str, columns: Sequence[tuple[str, str]]) -> TextClause:
    texts = ", ".join(f"json_array_elements_text(CAST(:given_{name} AS json))" for name, _ in columns)
    names = ", ".join(name for name, _ in columns)
    typed = ", ".join(f"CAST({name} AS {type_}) AS {name}" for name, type_ in columns)
    return text(statement.replace("{given}", f"(SELECT {typed} FROM ROWS FROM ({texts}) AS texts({names})) AS given"))


@lru_cache
def _sqlite(statement: str, columns: Sequence[str]) -> TextClause:
    members = ", ".join(f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(columns))
    return text(statement.replace("{given}", f"(SELECT {members} FROM json_each(:given)) AS given"))

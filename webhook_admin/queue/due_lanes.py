"""The due lanes: which of them a dispatcher leases next.

Of each standing, lanes are looked at in the order in which they became due, 1,000 at a time. Lanes of accounts
that have their share are passed over, and a look that ends before the last due lane is continued where it ended. So no
account's lanes hide another's, and no look reads them all.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from webhook_admin.db.bulk import bulk
from webhook_admin.queue.lanes import GIVEN, KEY, Standing, lock_wording
from webhook_admin.queue.leases import COLUMNS, Lease, read

LOOKED_AT = 1_000
"""How many due lanes of each standing a turn reads."""


# The first lanes may be locked by other dispatchers that lease at the same time: so many times the limit are tried.
_SPARE = 4


class Position(NamedTuple):
    """A place in the order of due lanes."""

    due_at: int
    account_id: str


class Due(NamedTuple):
    """A due lane, ordered by how long it has been due."""

    due_at: int
    account_id: str
    destination: str

    @property
    def position(self) -> Position:
        """Its place among the others."""
        return Position(self.due_at, self.account_id)


FRONT = Position(-1, "")
"""Before the lane that has been due for longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a dispatcher would lease of the lanes of one standing: at most `limit`, of those behind `after`.

    An account may have up to `share`, with those that it has already: `held`, by account.
    """

    standing: Standing
    limit: int
    share: int
    held: Mapping[str, int]
    after: Position = FRONT


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """What was leased, the standings of which due lanes are left, and where the next look at some of them goes on."""

    leases: Sequence[Lease]
    waiting: Collection[Standing]
    after: Mapping[Standing, Position]


Look = Callable[[Sequence[Ask]], Mapping[Standing, Sequence[Due]]]
"""Reads the next due lanes of each standing, at most `LOOKED_AT`."""
Take = Callable[[Sequence[Due], int], Sequence[Lease]]
"""Leases so many of the lanes, the first ones that no other dispatcher has taken meanwhile."""


def lease(connection: Connection, holder: str, now: int, until: int, asks: Sequence[Ask]) -> Leased:
    """Take due lanes until `until`. Lanes that another transaction has locked are left out."""
    return lease_fairly(
        asks,
        partial(_look, connection, now),
        partial(_take, connection, {"holder": holder, "now": now, "until": until}),
    )


def lease_fairly(asks: Sequence[Ask], look: Look, take: Take) -> Leased:
    """Lease first for the accounts that hold the fewest lanes, then the lanes that have waited longest."""
    leases: list[Lease] = []
    waiting: list[Standing] = []
    after: dict[Standing, Position] = {}
    looks = look(asks)
    for ask in asks:
        due = looks[ask.standing]
        is_cut = len(due) == LOOKED_AT
        # There may be accounts that have not been seen: those that hold no lane get one before any gets more.
        newcomers = _ranked(due, ask.held, 1) if is_cut else []
        taken = take(newcomers or _ranked(due, ask.held, ask.share), ask.limit) if ask.limit > 0 else []
        leases += taken
        if len(due) > len(taken):
            waiting.append(ask.standing)
        if is_cut:
            after[ask.standing] = ask.after if len(newcomers) > len(taken) else due[-1].position
    return Leased(leases=leases, waiting=waiting, after=after)


def _ranked(due: Sequence[Due], held: Mapping[str, int], share: int) -> list[Due]:
    """Those of the lanes that may be leased, in order."""
    counts = Counter(held)
    ranked = []
    for each in due:
        if (place := counts[each.account_id]) < share:
            counts[each.account_id] += 1
            ranked.append((place, each))
    return [each for _, each in sorted(ranked)]


def _look(connection: Connection, now: int, asks: Sequence[Ask]) -> dict[Standing, list[Due]]:
    """The next due lanes of each standing; one, where none is to be leased."""
    if connection.dialect.name == "postgresql":
        # By statistics that are older than the rows, PostgreSQL would sort all due lanes to find the first.
        connection.execute(text("SET LOCAL enable_bitmapscan = off"))
    values: dict[str, Any] = {"now": now}
    parts = []
    for ask in asks:
        names = {name: f"{ask.standing}_{name}" for name in ("due_at", "account_id", "limit")}
        values |= zip(names.values(), (*ask.after, LOOKED_AT if ask.limit > 0 else 1), strict=True)
        parts.append(
            f"""
            SELECT * FROM (
                SELECT standing, due_at, account_id, destination FROM lanes
                WHERE standing = '{ask.standing}' AND due_at <= :now
                    AND (due_at, account_id) > (:{names["due_at"]}, :{names["account_id"]})
                ORDER BY due_at, account_id LIMIT :{names["limit"]}
            ) AS {ask.standing}
            """
        )
    looks: dict[Standing, list[Due]] = {ask.standing: [] for ask in asks}
    for row in connection.execute(text(" UNION ALL ".join(parts)), values).all():
        looks[row[0]].append(Due(row[1], row[2], row[3]))
    return looks


def _take(connection: Connection, values: Mapping[str, Any], chosen: Sequence[Due], limit: int) -> list[Lease]:
    rows = bulk(
        connection,
        f"""
        WITH free AS MATERIALIZED (
            SELECT lanes.account_id, lanes.destination FROM {{given}} JOIN lanes ON {GIVEN} AND lanes.due_at <= :now
            ORDER BY place LIMIT :limit {lock_wording(connection, skip=True)}
        )
        UPDATE lanes SET holder = :holder, due_at = :until FROM free
        WHERE lanes.account_id = free.account_id AND lanes.destination = free.destination
        RETURNING {COLUMNS}
        """,
        {"place": "integer"} | KEY,
        [(place, due.account_id, due.destination) for place, due in enumerate(chosen[: limit * _SPARE])],
        limit=limit,
        **values,
    )
    return [read(row) for row in rows]

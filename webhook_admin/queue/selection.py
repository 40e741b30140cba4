"""Which deliveries are meant: the filter that lists and resends share, and the first deliveries that fit it, by id."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, text

from webhook_admin.db.bulk import merged
from webhook_admin.events import Channel, Status
from webhook_admin.ids import first_id
from webhook_admin.models import deliveries
from webhook_admin.queue.deliveries import State

# By how much the clock of the process that accepts an account's first events may be behind the clock of the one that
# created the account: ids begin with the former.
_CLOCK_SKEW = timedelta(hours=1)
# Before and behind every id.
_LOWEST, _HIGHEST = "", "~"
_SELECT = "SELECT id, state FROM deliveries WHERE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which deliveries are meant: those that fit everything that is given.

    `since` is the first moment at which they came in, `until` the first at which they did not. `account_created_at`
    leaves out those of an account of the same id that was deleted before.
    """

    account_id: str | None = None
    account_created_at: datetime | None = None
    states: Collection[str] = ()
    status: str | None = None
    channel: str | None = None
    message_id: str | None = None
    recipient: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def few(self) -> list[str]:
        """The filters that few deliveries fit, each with an index of its own. The first of them is looked in."""
        return [name for name in ("message_id", "recipient") if getattr(self, name) is not None]

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """The conditions on rows of `deliveries` whose ids are known: no reason to use another index."""
        if self.states:
            yield deliveries.c.state.in_(self.states).is_(True)
        for name in ("account_id", "account_created_at", "status", "channel", "message_id", "recipient"):
            if (value := getattr(self, name)) is not None:
                yield (deliveries.c[name] == value).is_(True)

    def bounds(self, after: str | None, *, oldest_first: bool) -> tuple[str, str]:
        """The lowest id that is meant and the first one behind; `after` is where the page before ended."""
        # Ids begin with the time, and unlike the times themselves have an index.
        low = [first_id("dlv", self.since)] if self.since else [_LOWEST]
        high = [first_id("dlv", self.until)] if self.until else [_HIGHEST]
        if self.account_created_at:
            low.append(first_id("dlv", self.account_created_at - _CLOCK_SKEW))
        if after is not None:
            # Ids have one length: none is between an id and the same with a character more.
            (low if oldest_first else high).append(f"{after}0" if oldest_first else after)
        return max(low), min(high)


class Chosen(NamedTuple):
    """A delivery that fits, and the state that it is in."""

    id: str
    state: str


def first(
    connection: Connection,
    wanted: Filter,
    after: str | None,
    limit: int,
    *,
    oldest_first: bool,
    also: str = "",
    **values: Any,
) -> list[Chosen]:
    """The first `limit` deliveries that fit, behind the id `after`, the oldest first or the newest.

    `also` is another condition, in SQL over the columns of `deliveries`; `values` are its parameters.

    Each filter has an index: a message's or a recipient's own, of whose few deliveries those that do not fit the other
    filters are read, too; or (account_id, state, status, channel, id), or the primary key. The third has ids in order
    only within one state, status and channel; the groups that fit are merged. Across accounts there is an index of ids
    alone, and a filter by state, status or channel reads past all that does not fit: only the command line asks so.
    """
    low, high = wanted.bounds(after, oldest_first=oldest_first)
    named = [*wanted.few[:1], *(["account_id"] if wanted.account_id is not None else [])]
    parameters = {name: getattr(wanted, name) for name in {*named, *wanted.few}} | values
    conditions = [*([f"({also})"] if also else []), *_narrowing(wanted)]
    groups = _groups(wanted)
    if groups is None:
        statement = _of_one_group(named, [*conditions, *_residual(wanted)], "ASC" if oldest_first else "DESC")
    elif groups:
        select = f"{_SELECT} {' AND '.join([*conditions, 'account_id = :account_id'])}"
        statement = merged(connection, select, groups, "id", descending=not oldest_first)
    else:
        return []
    # The plan of a prepared statement would stay the one that was right for fewer rows.
    rows = connection.execute(
        text(statement).execution_options(replan=True), parameters | {"low": low, "high": high, "limit": limit}
    )
    return [Chosen(*row) for row in rows]


def _narrowing(wanted: Filter) -> Iterator[str]:
    """Conditions beside those by which the index is chosen."""
    # IS TRUE: no reason to use another index, such as that of events' ids, by which all of the account would be read.
    yield from (f"({name} = :{name}) IS TRUE" for name in wanted.few[1:])
    if wanted.few[:1] == ["recipient"]:
        # The index is limited to these, which a comparison of rows does not imply.
        yield "recipient IS NOT NULL"
    if wanted.account_created_at:
        yield "(account_created_at = (SELECT created_at FROM accounts WHERE accounts.id = :account_id)) IS TRUE"


def _of_one_group(named: Sequence[str], conditions: Sequence[str], direction: str) -> str:
    if "account_id" not in named:
        bounds, order = "id >= :low AND id < :high", f"ORDER BY id {direction} LIMIT :limit"
        if not named:
            return f"{_SELECT} {' AND '.join([bounds, *conditions])} {order}"
        # Apart from the order: to have it at once, both databases might read everybody's deliveries.
        fitting = " AND ".join([*(f"{name} = :{name}" for name in named), *conditions])
        return f"WITH few AS MATERIALIZED ({_SELECT} {fitting}) SELECT id, state FROM few WHERE {bounds} {order}"
    # In the order of the account's own index, or the message's: with an equation PostgreSQL could use the index of all
    # accounts' ids, and would read past theirs.
    names, given = ", ".join((*named, "id")), ", ".join(f":{name}" for name in named)
    bounds = f"({names}) >= ({given}, :low) AND ({names}) < ({given}, :high)"
    order = ", ".join(f"{name} {direction}" for name in (*named, "id"))
    return f"{_SELECT} {' AND '.join([bounds, *conditions])} ORDER BY {order} LIMIT :limit"


def _groups(wanted: Filter) -> list[Mapping[str, str]] | None:
    """The states, statuses and channels of the deliveries that fit; None where another index serves the filter."""
    is_any = not (wanted.states or wanted.status or wanted.channel)
    if is_any or wanted.account_id is None or wanted.few:
        return None
    kinds = list(product(_those(Status, [wanted.status]), _those(Channel, [wanted.channel])))
    if wanted.status is None and wanted.channel is None:
        # Of events that the migration to these columns could not read.
        kinds.append(("", ""))
    return [
        {"state": state, "status": status, "channel": channel}
        for state, (status, channel) in product(_those(State, wanted.states), kinds)
    ]


def _residual(wanted: Filter) -> Iterator[str]:
    """Conditions on state, status and channel that are no reason to use the index of these three."""
    columns = {
        "state": (State, wanted.states),
        "status": (Status, [wanted.status]),
        "channel": (Channel, [wanted.channel]),
    }
    for column, (enumeration, chosen) in columns.items():
        if any(chosen):
            listed = ", ".join(f"'{value}'" for value in _those(enumeration, chosen))
            yield f"{column} || '' IN ({listed or 'NULL'})"


def _those(enumeration: Iterable[str], chosen: Collection[str | None]) -> list[str]:
    """The members that are chosen, or all if none is: no text of a caller gets into a statement."""
    return [str(member) for member in enumeration if member in chosen or not any(chosen)]

"""What the store says has become of events."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, fields

from sqlalchemy import URL, func, select, union_all

from webhook_admin.db import Database
from webhook_admin.models import attempts, deliveries, lanes

PENDING, DELIVERED, CANCELLED = "PENDING", "DELIVERED", "CANCELLED"
UNKNOWN = "unknown"
"""States of deliveries and an outcome of attempts, as the store and the API name them."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A delivery as it stands; `attempts` is how many have been begun."""

    id: str
    event_id: str
    state: str
    attempts: int


@dataclass(frozen=True)
class Ledger:
    """All deliveries by id, and the number of attempts on record for each.

    `unknown` is how many attempts have that outcome, `lanes` how many lanes have something to do.
    """

    deliveries: Mapping[str, Delivery]
    attempts: Counter[str]
    unknown: int
    lanes: int

    @classmethod
    def read(cls, store: URL) -> "Ledger":
        """What is in the store now."""
        columns = [deliveries.c[each.name] for each in fields(Delivery)]
        numbers = select(attempts.c.delivery_id, func.count()).group_by(attempts.c.delivery_id)
        with closing(Database(store)) as database, database.transaction() as connection:
            found = [Delivery(**row) for row in connection.execute(select(*columns)).mappings()]
            recorded = Counter({row[0]: row[1] for row in connection.execute(numbers)})
            unknown = connection.scalar(select(func.count()).where(attempts.c.outcome == UNKNOWN)) or 0
            left = connection.scalar(select(func.count()).where(lanes.c.due_at.is_not(None))) or 0
        return cls({each.id: each for each in found}, recorded, unknown, left)

    def states(self) -> Counter[str]:
        """How many deliveries are in each state."""
        return Counter(each.state for each in self.deliveries.values())

    def of_event(self) -> Mapping[str, Delivery]:
        """The deliveries by the ids of their events."""
        return {each.event_id: each for each in self.deliveries.values()}


def is_drained(database: Database) -> bool:
    """Whether nothing is pending, and no lane has anything to do."""
    pending = select(func.count()).where(deliveries.c.state == PENDING)
    left = select(func.count()).where(lanes.c.due_at.is_not(None))
    with database.connect() as connection:
        return not any(connection.scalars(union_all(pending, left)))

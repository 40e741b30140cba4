"""Compares three records: the 202s that the platform got, the requests that the receiver saw, and the store."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from tests.receiver import Received
from tests.soak.ledger import DELIVERED, PENDING, Ledger
from tests.soak.report import Figure


def compare(
    acknowledged: Collection[str],
    requests: Sequence[Received],
    answered: Mapping[str, int],
    ledger: Ledger,
    most_attempts: int,
) -> list[Figure]:
    """The figures, once everything is delivered that can be.

    `acknowledged` holds event ids, `answered` counts the receiver's 200s by delivery id.
    """
    seen = Counter(request.headers["webhook-id"] for request in requests)
    of_event = ledger.of_event()
    delivered = [each for each in ledger.deliveries.values() if each.state == DELIVERED]
    lost = [one for one in acknowledged if one not in of_event or of_event[one].state != DELIVERED]
    unseen = [one for one in acknowledged if one in of_event and not seen[of_event[one].id]]
    return [
        Figure("events acknowledged with 202", len(acknowledged)),
        Figure("deliveries in the store", len(ledger.deliveries)),
        Figure("requests that the receiver saw", len(requests)),
        Figure("attempts on record", sum(ledger.attempts.values())),
        Figure("lost: acknowledged and not delivered", len(lost), most=0),
        Figure("lost: acknowledged and never seen", len(unseen), most=0),
        Figure("unrecorded: seen and not on record", _beyond(seen, ledger.attempts), most=0),
        Figure("false successes: DELIVERED, not answered 200", sum(not answered.get(each.id) for each in delivered), 0),
        Figure("deliveries whose count of attempts is not their record's", _miscounted(ledger), most=0),
        Figure("most attempts of one delivery", max(ledger.attempts.values(), default=0), most=most_attempts),
        Figure("deliveries left PENDING", ledger.states()[PENDING], most=0),
        Figure("lanes left with something to do", ledger.lanes, most=0),
    ]


def _beyond(seen: Counter[str], recorded: Counter[str]) -> int:
    return sum((seen - recorded).values())


def _miscounted(ledger: Ledger) -> int:
    return sum(each.attempts != ledger.attempts[each.id] for each in ledger.deliveries.values())

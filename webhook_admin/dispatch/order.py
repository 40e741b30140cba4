"""Order: which notifications of a message wait for others, and which are superseded. Pure: values in, values out."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from webhook_admin import formats
from webhook_admin.dispatch.retry import MINUTE
from webhook_admin.events import Event
from webhook_admin.queue.due_deliveries import Due
from webhook_admin.queue.siblings import Sibling
from webhook_admin.webhook_enums import Ordering, Superseded

_AT_LEAST, _AT_MOST = MINUTE // 6, 10 * MINUTE
"""How long a blocked delivery is put off (ms), unless its sibling ends before: for siblings whose lease was lost."""


def depends_on_siblings(due: Due) -> bool:
    """Whether the delivery's next attempt depends on other deliveries of its message."""
    webhook = due.webhook
    if webhook is None or due.webhook_id != webhook.id or due.test:
        return False
    return webhook.ordering == Ordering.MESSAGE or webhook.superseded == Superseded.SKIP


def is_message_ordered(due: Due) -> bool:
    """Whether other deliveries of its message may wait for this one."""
    return depends_on_siblings(due) and due.webhook is not None and due.webhook.ordering == Ordering.MESSAGE


def superseded_by(due: Due, event: Event, payload_format: str, siblings: Iterable[Sibling]) -> Event | None:
    """The newest status that has been accepted, if it is newer than the event and superseded ones are to be skipped.

    One that the payload format cannot express never reaches the receiver, and supersedes nothing.
    """
    if not siblings or due.webhook is None or due.webhook.superseded != Superseded.SKIP:
        return None
    newer = [
        each
        for each in _events(siblings)
        if each.newness > event.newness and formats.render(payload_format, each) is not None
    ]
    return max(newer, key=attrgetter("newness"), default=None)


def blocked_until(due: Due, siblings: Sequence[Sibling], now: int) -> int | None:
    """When to look again at a delivery that has to wait for a sibling (ms since the epoch); None if it has not.

    It waits for those accepted earlier, which is the order of the ids. One that is in flight may have been accepted
    later: an API process can commit a smaller id after another one has committed a greater.
    """
    if due.webhook is None or due.webhook.ordering != Ordering.MESSAGE:
        return None
    waits = [each.due_at for each in siblings if each.due_at is not None and (each.id < due.id or each.is_in_flight)]
    return min(max(*waits, now + _AT_LEAST), now + _AT_MOST) if waits else None


def _events(siblings: Iterable[Sibling]) -> Iterable[Event]:
    for sibling in siblings:
        try:
            yield Event.from_json(sibling.event)
        except ValueError:
            # Damaged in the store: it is no newer status of anything.
            continue

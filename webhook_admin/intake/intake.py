"""Events from messages, each judged as `POST /events` judges its events, and stored together where that goes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from marshmallow import ValidationError

from webhook_admin.config import Settings
from webhook_admin.db import Database
from webhook_admin.errors import Error, InvalidInput, StoreUnavailable
from webhook_admin.events import Event
from webhook_admin.field_errors import FieldError
from webhook_admin.metrics.events import EventMetrics
from webhook_admin.queue.accept import accept
from webhook_admin.web import event_schemas
from webhook_admin.web.event_schemas import MAX_BODY
from webhook_admin.web.fields import AllowedNetworks
from webhook_admin.web.problem_bodies import field_errors, http_problem, problem
from webhook_admin.web.strict_json import decode

# Of an event in a batch of one, as `accept` names it.
_ONLY = "events.0."
_FAILED = "The service has failed on this event. Its log says why."
_SCHEMA = event_schemas.Event()
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its body, and the id of its event if the event has none, the same whenever it is delivered again."""

    body: bytes
    id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that is not stored, by its place among those that were given, and the problem that says why."""

    place: int
    problem: dict[str, Any]


class Intake:
    """Stores events. All methods may be called in any thread."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._allowed_networks = settings.allowed_networks
        self._database = database
        self._metrics = EventMetrics()

    def take(self, messages: Sequence[Message]) -> list[Refused]:
        """Store the events of the messages; returns, after the commit, those that are refused.

        A refused event takes no other with it: the others are stored as if it had not been there. Raises
        `StoreUnavailable`; then some may be stored, which are duplicates when they come again.
        """
        refused: list[Refused] = []
        events: list[tuple[int, Event]] = []
        for place, message in enumerate(messages):
            try:
                events.append((place, self._event(message)))
            except Exception as error:  # noqa: BLE001  one message must not stop the others
                refused.append(Refused(place, _problem(error)))
        if events:
            refused += self._store(events)
        self._metrics.refused(len(refused))
        return refused

    def _event(self, message: Message) -> Event:
        value = decode(message.body, MAX_BODY)
        try:
            with AllowedNetworks(self._allowed_networks):
                fields = _SCHEMA.load(value)
        except ValidationError as error:
            raise InvalidInput(list(field_errors(error.messages))) from None
        return Event(**{"id": message.id} | fields)

    def _store(self, events: Sequence[tuple[int, Event]]) -> Iterator[Refused]:
        """Store all of them at once, or else each half by itself, down to the events that are refused."""
        try:
            with self._metrics.storing(), self._database.transaction() as transaction:
                accepted = accept(transaction, [event for _, event in events], datetime.now(UTC))
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  one event must not stop the others
            if len(events) == 1:
                yield Refused(events[0][0], _problem(error))
                return
            middle = len(events) // 2
            yield from self._store(events[:middle])
            yield from self._store(events[middle:])
        else:
            self._metrics.accepted(accepted)


def _problem(error: Exception) -> dict[str, Any]:
    """The body that `POST /events` would answer a call with that has this event alone, with the fields' own names."""
    if isinstance(error, InvalidInput):
        return problem(InvalidInput([_renamed(fault) for fault in error.errors]))
    if isinstance(error, Error):
        return problem(error)
    log.error("event_failed", exc_info=error)
    return http_problem(500, _FAILED)


def _renamed(fault: FieldError) -> FieldError:
    return fault._replace(field=fault.field.removeprefix(_ONLY))

"""What the consumers of all brokers have in common: storing whatever happens, and trouble that is said once."""

import asyncio
import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import structlog

from webhook_admin.errors import StoreUnavailable
from webhook_admin.intake.intake import Intake, Message, Refused

PROBLEM = "Webhook-Admin-Problem"
"""The header of a dead letter that has its problem, as JSON."""
BATCH = 500
"""At most so many messages are stored together."""
GATHER = 0.02
"""How long a batch gathers after its first message (seconds)."""
LOOK_EVERY = 1.0
"""How often to look whether to stop, while no message comes (seconds)."""
_AFTER_TROUBLE = 1.0  # seconds
_MAX_NAME = 80  # characters of a source's name, in an id of up to 128
_MAX_PROBLEM = 32_768  # characters: what every broker takes in a header
_TOO_LONG = "The event has faults whose names are too long to be listed."
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the events come from, and where refused ones go.

    `name` is that of a stream of NATS, a topic of Kafka or a queue of RabbitMQ, and `dead_letter` a subject, topic or
    queue. `group` is the durable consumer of NATS or the consumer group of Kafka. The rest is for NATS: `subject`
    narrows the stream down (None: all of it), and after `ack_wait` seconds an unacknowledged message comes again.
    """

    url: str
    name: str
    dead_letter: str
    group: str = "webhook-admin"
    subject: str | None = None
    ack_wait: float = 30


class Consumer(ABC):
    """Takes events from a broker until it is told to stop. Any number of them share the work."""

    TROUBLE: ClassVar[tuple[type[Exception], ...]]
    """What the client raises while the broker cannot be reached, or refuses something."""

    def __init__(self, source: Source, intake: Intake) -> None:
        self._source = source
        self._intake = intake
        self._is_in_trouble = False
        self._has_begun = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, whenever the broker can be reached.

        Raises `Misconfigured` if what to read is not there, or nowhere for the dead letters.
        """
        self._stop = stop
        while not stop.is_set():
            try:
                await self._work()
            except self.TROUBLE as error:
                self._on_trouble(error)
                await self._pause()

    @abstractmethod
    async def _work(self) -> None:
        """Connect, and take events until it is time to stop. Raises one of `TROUBLE`."""

    async def _stored(self, messages: Sequence[Message]) -> list[Refused] | None:
        """The refused ones, once the others are stored, however long that takes; None if it is time to stop."""
        while not self._stop.is_set():
            try:
                refused = await asyncio.to_thread(self._intake.take, messages)
            except StoreUnavailable as error:
                log.warning("store_unavailable", cause=error.cause)
                await self._pause()
            else:
                for each in refused:
                    log.warning("event_refused", event_id=messages[each.place].id, detail=each.problem["detail"])
                return refused
        return None

    async def _unless_stopped(self, work: Awaitable[object]) -> None:
        """Do the work, or give it up when it is time to stop."""
        working, stopping = asyncio.ensure_future(work), asyncio.create_task(self._stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if working.done():
            working.result()
        else:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    def _on_trouble(self, error: Exception) -> None:
        if not self._is_in_trouble:
            self._is_in_trouble = True
            log.warning("broker_unavailable", cause=str(error) or type(error).__name__)

    def _on_connection(self) -> None:
        if self._is_in_trouble:
            self._is_in_trouble = False
            log.warning("broker_back")

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), _AFTER_TROUBLE)


def event_id(source: str, *parts: object) -> str:
    """The id of a message's event: of the name of its source, and of what tells it from the source's others."""
    name = re.sub("[^A-Za-z0-9_-]", "_", source)[:_MAX_NAME]
    if name != source:
        name += f"-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    return "-".join([name, *map(str, parts)])


def header(problem: Mapping[str, Any]) -> str:
    """The problem as JSON for `PROBLEM`; without its list of errors if that is too long for a header."""
    text = json.dumps(problem)
    return text if len(text) <= _MAX_PROBLEM else json.dumps(dict(problem) | {"detail": _TOO_LONG, "errors": []})

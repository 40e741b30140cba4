"""Events from NATS JetStream: a durable pull consumer, whose messages are acknowledged after the commit."""

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, NoRespondersError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, Header
from nats.js.errors import NotFoundError, ServiceUnavailableError

from webhook_admin.errors import Misconfigured, StoreUnavailable
from webhook_admin.intake.intake import Intake, Message, Refused
from webhook_admin.queue import clock

PROBLEM = "Webhook-Admin-Problem"
"""The header of a dead letter that has its problem, as JSON."""
_AFTER_TROUBLE = 1.0  # seconds
_LOOK_EVERY = 1.0  # seconds, at whether to stop, while no message comes
# How long a batch gathers after its first message (seconds).
_GATHER = 0.02
_BATCH = 500
_MAX_UNACKNOWLEDGED = 10_000  # messages, of all processes
_MAX_NAME = 80  # characters of a stream's name, in an id of up to 128
_OTHER_HEADERS = 512  # bytes
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the events come from, and where refused ones go; `ack_wait` is in seconds, `subject` None for all."""

    url: str
    stream: str
    durable: str
    dead_letter: str
    subject: str | None = None
    ack_wait: float = 30


class Consumer:
    """Takes events from a stream until it is told to stop; any number of them share the durable consumer."""

    def __init__(self, source: Source, intake: Intake) -> None:
        self._source = source
        self._intake = intake
        self._trouble: str | None = None
        self._has_begun = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, whenever the server can be reached.

        Raises `Misconfigured` if the stream is not there, or none for the dead letters.
        """
        self._stop = stop
        while not stop.is_set():
            # A server's error closes the client for good: the next one begins anew.
            self._client = Client()
            work = asyncio.create_task(self._work(self._client))
            stopping = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not self._client.is_connected:
                    work.cancel()
                with suppress(asyncio.CancelledError):
                    await work
            finally:
                stopping.cancel()
                await self._client.close()

    async def _work(self, client: Client) -> None:
        await client.connect(
            self._source.url,
            name="webhook-admin",
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            error_cb=self._on_trouble,
            reconnected_cb=self._on_connection,
        )
        jetstream = client.jetstream()
        try:
            if not self._has_begun:
                await self._require_streams(jetstream)
            self._has_begun = True
            while not (self._stop.is_set() or client.is_closed):
                await self._consume(jetstream)
        except (Error, TimeoutError) as error:
            await self._on_trouble(error)
            await self._pause()

    async def _require_streams(self, jetstream: JetStreamContext) -> None:
        stream, dead_letter = self._source.stream, self._source.dead_letter
        try:
            await jetstream.stream_info(stream)
        except NotFoundError:
            raise Misconfigured(f"The NATS server has no stream {stream}. Create it, or name another.") from None
        except (ServiceUnavailableError, NoRespondersError):
            raise Misconfigured("The NATS server has no JetStream. Start it with -js, or name another.") from None
        try:
            found = await jetstream.find_stream_name_by_subject(dead_letter)
        except NotFoundError:
            found = stream
        if found == stream:
            raise Misconfigured(
                f"No stream but {stream} takes the subject {dead_letter}, so that refused events would be lost or come "
                "back. Create another stream with this subject, or name another subject."
            )

    async def _consume(self, jetstream: JetStreamContext) -> None:
        """Take batches until it is time to stop, or something fails: the consumer is then looked for again."""
        try:
            subscription = await self._subscribe(jetstream)
            await self._on_connection()
            while not self._stop.is_set():
                if batch := await self._fetch(subscription):
                    await self._take(jetstream, batch)
        except (Error, TimeoutError) as error:
            await self._on_trouble(error)
            await self._pause()

    async def _subscribe(self, jetstream: JetStreamContext) -> JetStreamContext.PullSubscription:
        config = ConsumerConfig(
            name=self._source.durable,
            durable_name=self._source.durable,
            filter_subject=self._source.subject,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._source.ack_wait,
            max_ack_pending=_MAX_UNACKNOWLEDGED,
        )
        await jetstream.add_consumer(self._source.stream, config)
        return await jetstream.pull_subscribe_bind(self._source.durable, self._source.stream)

    async def _fetch(self, subscription: JetStreamContext.PullSubscription) -> list[Msg]:
        """The next messages: one as soon as it is there, and those that come within the next moment."""
        batch: list[Msg] = []
        with suppress(TimeoutError):
            batch += await subscription.fetch(1, timeout=_LOOK_EVERY)
            batch += await subscription.fetch(_BATCH - 1, timeout=_GATHER)
        return batch

    async def _take(self, jetstream: JetStreamContext, batch: Sequence[Msg]) -> None:
        """Store the events, then acknowledge their messages. A message that is not acknowledged comes again."""
        refused = await self._stored([Message(each.data, event_id(each)) for each in batch])
        if refused is None:
            return
        problems = {each.place: each.problem for each in refused}
        for place, message in enumerate(batch):
            if place not in problems:
                await message.ack()
        for place, problem in problems.items():
            await self._bury(jetstream, batch[place], problem)
            await batch[place].ack()

    async def _stored(self, messages: Sequence[Message]) -> list[Refused] | None:
        """The refused ones, once the others are stored, however long that takes; None if it is time to stop."""
        while not self._stop.is_set():
            try:
                return await asyncio.to_thread(self._intake.take, messages)
            except StoreUnavailable as error:
                log.warning("store_unavailable", cause=error.cause)
                await self._pause()
        return None

    async def _bury(self, jetstream: JetStreamContext, message: Msg, problem: Mapping[str, Any]) -> None:
        """Send a refused message to the dead letters, as it came, with its problem in a header."""
        id_ = event_id(message)
        log.warning("event_refused", event_id=id_, detail=problem["detail"])
        text = json.dumps(problem)
        # A server closes the connection of a client that sends more than it takes, headers included.
        fits = len(message.data) + len(text) + _OTHER_HEADERS < self._client.max_payload
        headers = {PROBLEM: text, Header.MSG_ID.value: id_}
        await jetstream.publish(self._source.dead_letter, message.data if fits else b"", headers=headers)

    async def _on_trouble(self, error: Exception) -> None:
        cause = str(error) or type(error).__name__
        if cause != self._trouble:
            self._trouble = cause
            log.warning("broker_unavailable", cause=cause)

    async def _on_connection(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            log.warning("broker_back")

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), _AFTER_TROUBLE)


def event_id(message: Msg) -> str:
    """The id of the message's event: of its stream, its number there, and when the stream got it (ms).

    The time tells a message from that of another stream, which had the same name and has been deleted.
    """
    metadata = message.metadata
    name = re.sub("[^A-Za-z0-9_-]", "_", metadata.stream)[:_MAX_NAME]
    if name != metadata.stream:
        name += f"-{hashlib.sha256(metadata.stream.encode()).hexdigest()[:8]}"
    return f"{name}-{metadata.sequence.stream}-{clock.milliseconds(metadata.timestamp)}"

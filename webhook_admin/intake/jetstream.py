"""Events from NATS JetStream: a durable pull consumer, whose messages are acknowledged after the commit."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, NoRespondersError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, Header
from nats.js.errors import NotFoundError, ServiceUnavailableError

from webhook_admin.errors import Misconfigured
from webhook_admin.intake import consumer
from webhook_admin.intake.consumer import BATCH, GATHER, LOOK_EVERY, PROBLEM, event_id, header
from webhook_admin.intake.intake import Message
from webhook_admin.queue import clock

_MAX_UNACKNOWLEDGED = 10_000  # messages, of all processes
_OTHER_HEADERS = 512  # bytes
_NAME = re.compile(r"[^\s.*>/\\]+")


class Consumer(consumer.Consumer):
    """Takes events from a stream."""

    TROUBLE = (Error, OSError, TimeoutError)

    async def _work(self) -> None:
        # A server's error closes the client for good: the next one begins anew.
        self._client = client = Client()
        try:
            await self._unless_stopped(
                client.connect(
                    **_server(self._source.url),
                    name="webhook-admin",
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=1,
                    error_cb=self._on_error,
                    reconnected_cb=self._on_reconnection,
                )
            )
            jetstream = client.jetstream()
            if not (self._has_begun or self._stop.is_set()):
                await self._require_streams(jetstream)
                self._has_begun = True
            while not (self._stop.is_set() or client.is_closed):
                await self._consume(jetstream)
        finally:
            with suppress(Error, OSError, TimeoutError):
                await client.close()

    async def _on_error(self, error: Exception) -> None:
        self._on_trouble(error)

    async def _on_reconnection(self) -> None:
        self._on_connection()

    async def _require_streams(self, jetstream: JetStreamContext) -> None:
        stream, dead_letter = self._source.name, self._source.dead_letter
        for name in (stream, self._source.group):
            if not _NAME.fullmatch(name):
                raise Misconfigured(f"NATS has no stream or durable consumer with such a name: {name}.")
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
        """Take batches until it is time to stop, or something fails: the durable consumer is then looked for again."""
        try:
            subscription = await self._subscribe(jetstream)
            self._on_connection()
            while not self._stop.is_set():
                if batch := await self._fetch(subscription):
                    await self._take(jetstream, batch)
        except self.TROUBLE as error:
            self._on_trouble(error)
            await self._pause()

    async def _subscribe(self, jetstream: JetStreamContext) -> JetStreamContext.PullSubscription:
        config = ConsumerConfig(
            name=self._source.group,
            durable_name=self._source.group,
            filter_subject=self._source.subject,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._source.ack_wait,
            max_ack_pending=_MAX_UNACKNOWLEDGED,
        )
        await jetstream.add_consumer(self._source.name, config)
        return await jetstream.pull_subscribe_bind(self._source.group, self._source.name)

    async def _fetch(self, subscription: JetStreamContext.PullSubscription) -> list[Msg]:
        """The next messages: one as soon as it is there, and those that come within the next moment."""
        batch: list[Msg] = []
        with suppress(TimeoutError):
            batch += await subscription.fetch(1, timeout=LOOK_EVERY)
            batch += await subscription.fetch(BATCH - 1, timeout=GATHER)
        return batch

    async def _take(self, jetstream: JetStreamContext, batch: Sequence[Msg]) -> None:
        """Store the events, then acknowledge their messages. A message that is not acknowledged comes again."""
        refused = await self._stored([Message(each.data, _event_id(each)) for each in batch])
        if refused is None:
            return
        problems = {each.place: each.problem for each in refused}
        for place, message in enumerate(batch):
            if place not in problems:
                await message.ack()
        for place, problem in problems.items():
            await self._bury(jetstream, batch[place], problem)
            await batch[place].ack()

    async def _bury(self, jetstream: JetStreamContext, message: Msg, problem: Mapping[str, Any]) -> None:
        """Send a refused message to the dead letters, as it came, with its problem in a header."""
        own = {name: value for name, value in (message.headers or {}).items() if not name.startswith("Nats-")}
        headers = own | {PROBLEM: header(problem), Header.MSG_ID.value: _event_id(message)}
        # A server closes the connection of a client that sends more than it takes, headers included.
        fits = len(message.data) + len(str(headers).encode()) + _OTHER_HEADERS < self._client.max_payload
        await jetstream.publish(self._source.dead_letter, message.data if fits else b"", headers=headers)


def _server(url: str) -> dict[str, Any]:
    """The address, and the user and password or the token in the URL, which the client takes as they are written."""
    parts = urlsplit(url)
    address = {"servers": f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"}
    if parts.username is None:
        return address
    user = unquote(parts.username)
    if parts.password is None:
        return address | {"token": user}
    return address | {"user": user, "password": unquote(parts.password)}


def _event_id(message: Msg) -> str:
    """Of its stream, its number there, and when the stream got it (ms).

    The time tells a message from that of another stream, which had the same name and has been deleted.
    """
    metadata = message.metadata
    return event_id(metadata.stream, metadata.sequence.stream, clock.milliseconds(metadata.timestamp))

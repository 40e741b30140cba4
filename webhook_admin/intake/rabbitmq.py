"""Events from a queue of RabbitMQ (AMQP 0-9-1), whose messages are acknowledged after the commit."""

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from aio_pika import DeliveryMode, connect
from aio_pika import Message as Letter
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, HeadersType
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelNotFoundEntity

from webhook_admin.errors import Misconfigured
from webhook_admin.intake import consumer
from webhook_admin.intake.consumer import BATCH, GATHER, LOOK_EVERY, PROBLEM, event_id, header
from webhook_admin.intake.intake import Message

# It logs, with tracebacks, what it raises.
logging.getLogger("aiormq").setLevel(logging.CRITICAL)
_MAX_HEADERS = 100_000  # bytes; a frame has 131,072
_ANSWER_WITHIN = 10.0  # seconds
Arrived = asyncio.Queue[AbstractIncomingMessage | None]
"""The messages that the broker has sent; None when it sends no more."""


class Consumer(consumer.Consumer):
    """Takes events from a queue."""

    TROUBLE = (*CONNECTION_EXCEPTIONS, TimeoutError)

    async def _work(self) -> None:
        try:
            await self._consume()
        except asyncio.CancelledError:
            # The client also cancels what waits for an answer when the connection breaks.
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            raise ConnectionError("The connection to the broker is broken.") from None

    async def _consume(self) -> None:
        async with await connect(self._source.url, timeout=_ANSWER_WITHIN) as connection:
            if not self._has_begun:
                async with asyncio.timeout(_ANSWER_WITHIN):
                    await self._require_queues(connection)
                self._has_begun = True
            # With publisher confirms: a dead letter is in its queue when its publishing returns.
            async with asyncio.timeout(_ANSWER_WITHIN):
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                await channel.set_qos(2 * BATCH)
                arrived = await self._subscribe(channel)
            self._on_connection()
            while not self._stop.is_set():
                if batch := await self._fetch(arrived):
                    await self._take(channel, batch)

    async def _require_queues(self, connection: AbstractConnection) -> None:
        source = self._source
        if source.dead_letter == source.name:
            raise Misconfigured(f"Refused events would come back: name another queue than {source.name} for them.")
        for name in (source.name, source.dead_letter):
            # A channel of its own, which the broker closes if there is no such queue.
            channel = await connection.channel()
            try:
                await channel.get_queue(name)
            except ChannelNotFoundEntity:
                raise Misconfigured(f"The broker has no queue {name}. Declare it, or name another.") from None
            await channel.close()

    async def _subscribe(self, channel: AbstractChannel) -> Arrived:
        arrived: Arrived = asyncio.Queue()
        channel.close_callbacks.add(lambda *_: arrived.put_nowait(None))
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: arrived.put_nowait(None))
        queue = await channel.get_queue(self._source.name)
        await queue.consume(arrived.put)
        return arrived

    async def _fetch(self, arrived: Arrived) -> list[AbstractIncomingMessage]:
        """The next messages: one as soon as it is there, and those that come within the next moment."""
        batch: list[AbstractIncomingMessage] = []
        with suppress(TimeoutError):
            batch.append(_message(await asyncio.wait_for(arrived.get(), LOOK_EVERY)))
            async with asyncio.timeout(GATHER):
                while len(batch) < BATCH:
                    batch.append(_message(await arrived.get()))
        return batch

    async def _take(self, channel: AbstractChannel, batch: Sequence[AbstractIncomingMessage]) -> None:
        """Store the events, then acknowledge their messages. A message that is not acknowledged comes again."""
        refused = await self._stored([Message(each.body, self._event_id(each)) for each in batch])
        if refused is None:
            return
        problems = {each.place: each.problem for each in refused}
        for place, message in enumerate(batch):
            if place not in problems:
                await message.ack()
        for place, problem in problems.items():
            await self._bury(channel, batch[place], problem)
            await batch[place].ack()

    async def _bury(
        self, channel: AbstractChannel, message: AbstractIncomingMessage, problem: Mapping[str, Any]
    ) -> None:
        """Send a refused message to the dead letters, as it came, with its problem in a header."""
        own: HeadersType = {PROBLEM: header(problem)}
        letter = self._letter(message, {**message.headers, **own})
        if not _fits(letter):
            letter = self._letter(message, own)
        # A broker short of memory or disk takes no letter, and says nothing.
        await channel.default_exchange.publish(letter, self._source.dead_letter, mandatory=True, timeout=_ANSWER_WITHIN)

    def _letter(self, message: AbstractIncomingMessage, headers: HeadersType) -> Letter:
        return Letter(
            message.body,
            headers=headers,
            content_type=message.content_type,
            message_id=self._event_id(message),
            delivery_mode=DeliveryMode.PERSISTENT,
        )

    def _event_id(self, message: AbstractIncomingMessage) -> str:
        """Of the queue, and of the message's `message_id` or else its bytes: a queue numbers nothing."""
        told = message.message_id.encode() if message.message_id else message.body
        return event_id(self._source.name, hashlib.sha256(told).hexdigest()[:32])


def _fits(letter: Letter) -> bool:
    """Whether its headers can be written, which is not so of all that can be read, and fit into a frame."""
    try:
        return len(letter.properties.marshal()) < _MAX_HEADERS
    except (TypeError, ValueError, OverflowError):
        return False


def _message(arrived: AbstractIncomingMessage | None) -> AbstractIncomingMessage:
    """Raises `ConnectionError` if the broker sends no more."""
    if arrived is None:
        raise ConnectionError("The broker has ended the subscription.")
    return arrived

"""Events from a topic of Kafka: a consumer group, whose offsets are committed after the events are."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Message as Record

from webhook_admin.errors import Misconfigured
from webhook_admin.intake import consumer
from webhook_admin.intake.consumer import BATCH, GATHER, LOOK_EVERY, PROBLEM, event_id, header
from webhook_admin.intake.intake import Message

_ANSWER_WITHIN = 10.0  # seconds
_OF_ALL = (KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION)  # noqa: SLF001  they are the client's public codes
OnError = Callable[[KafkaError], object]
Headers = list[tuple[str, str | bytes | None]]


class Consumer(consumer.Consumer):
    """Takes events from a topic."""

    TROUBLE = (KafkaException,)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        # The client calls from threads of ours or its own.
        self._kafka, self._producer = _clients(
            self._source, on_error=lambda error: loop.call_soon_threadsafe(self._on_error, error)
        )
        try:
            if not self._has_begun:
                await asyncio.to_thread(self._require_topics)
                self._has_begun = True
            self._kafka.subscribe([self._source.name])
            while not self._stop.is_set():
                batch = await asyncio.to_thread(self._fetch)
                if self._is_in_trouble and (batch or await asyncio.to_thread(self._is_answering)):
                    self._on_connection()
                if batch:
                    await self._take(batch)
        finally:
            await asyncio.to_thread(self._kafka.close)

    def _on_error(self, error: KafkaError) -> None:
        """Heed what the client says of all brokers; one of several may be away."""
        if error.code() in _OF_ALL:
            self._on_trouble(KafkaException(error))

    def _is_answering(self) -> bool:
        try:
            self._kafka.list_topics(self._source.name, LOOK_EVERY)
        except KafkaException:
            return False
        return True

    def _require_topics(self) -> None:
        source = self._source
        if source.dead_letter == source.name:
            raise Misconfigured(f"Refused events would come back: name another topic than {source.name} for them.")
        for name in (source.name, source.dead_letter):
            if error := self._kafka.list_topics(name, _ANSWER_WITHIN).topics[name].error:
                if error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise KafkaException(error)
                raise Misconfigured(f"Kafka has no topic {name}. Create it, or name another.")

    def _fetch(self) -> list[Record]:
        """The next messages: one as soon as it is there, and those that come within the next moment."""
        batch = self._kafka.consume(1, LOOK_EVERY)
        if batch:
            batch += self._kafka.consume(BATCH - 1, GATHER)
        for record in batch:
            if error := record.error():
                raise KafkaException(error)
        return batch

    async def _take(self, batch: Sequence[Record]) -> None:
        """Store the events, then commit their offsets. From an offset that is not committed messages come again."""
        refused = await self._stored([Message(each.value() or b"", _event_id(each)) for each in batch])
        if refused is None:
            return
        for each in refused:
            await asyncio.to_thread(self._bury, batch[each.place], each.problem)
        for last in {each.partition(): each for each in batch}.values():
            await asyncio.to_thread(self._kafka.commit, message=last, asynchronous=False)

    def _bury(self, record: Record, problem: Mapping[str, Any]) -> None:
        """Send a refused message to the dead letters, as it came, with its problem in a header.

        A message that is too large together with it goes without its body and its headers.
        """
        own: Headers = [(PROBLEM, header(problem).encode())]
        try:
            self._produce(record.key(), record.value(), [*(record.headers() or ()), *own])
        except KafkaException as error:
            if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise
            self._produce(None, b"", own)

    def _produce(self, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        errors: list[KafkaError | None] = []
        self._producer.produce(
            self._source.dead_letter, value, key, headers=headers, on_delivery=lambda error, _: errors.append(error)
        )
        self._producer.flush()
        for error in errors:
            if error:
                raise KafkaException(error)


def _clients(source: consumer.Source, on_error: OnError) -> tuple[confluent_kafka.Consumer, confluent_kafka.Producer]:
    """Raises `Misconfigured` if the URL has a user, a setting that is none of librdkafka's, or a value it refuses."""
    servers, _, query = source.url.partition("://")[2].partition("?")
    if "@" in servers:
        raise Misconfigured("For Kafka, user and password are the settings sasl.username and sasl.password in the URL.")
    # It would write all its trouble to standard error, too, again and again.
    settings: dict[str, Any] = {"log_level": 2} | _settings(query)
    settings |= {"bootstrap.servers": servers.rstrip("/"), "error_cb": on_error}
    own = {"group.id": source.group, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    try:
        return (
            confluent_kafka.Consumer(settings | own),
            confluent_kafka.Producer(settings | {"message.timeout.ms": round(_ANSWER_WITHIN * 1_000)}),
        )
    except (KafkaException, ValueError, TypeError, AttributeError) as error:
        text = error.args[0].str() if isinstance(error, KafkaException) else error
        raise Misconfigured(f"Kafka's client refuses a setting in the URL: {text}.") from None


def _settings(query: str) -> dict[str, str]:
    """The settings behind the `?` of a URL. A `+` is a `+`, as passwords have some."""
    settings = {}
    for setting in filter(None, query.split("&")):
        name, equals, value = setting.partition("=")
        if not equals:
            raise Misconfigured(f"The setting {unquote(name)} in Kafka's URL has no value.")
        settings[unquote(name)] = unquote(value)
    return settings


def _event_id(record: Record) -> str:
    """Of its topic, its partition, its offset there, and its time (ms).

    The time tells a message from that of another topic, which had the same name and has been deleted.
    """
    return event_id(record.topic() or "", record.partition(), record.offset(), record.timestamp()[1])

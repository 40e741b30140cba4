"""Kafka, one node without ZooKeeper, of the jars in `$KAFKA_HOME/libs`."""

import os
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

import confluent_kafka
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.intake.broker import Broker, Letter
from tests.shells import free_port
from webhook_admin.intake.consumer import PROBLEM

_LIBRARIES = Path(os.environ.get("KAFKA_HOME", "/opt/kafka"), "libs")
_PARTITIONS = 3
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""


class Kafka(Broker):
    """Its source is a topic of several partitions."""

    NAME, DEAD = "status", "status.dead"
    missing = "" if _LIBRARIES.is_dir() and shutil.which("java") else "Kafka is not there (KAFKA_HOME, and java)."

    def __init__(self, folder: Path) -> None:
        self._controller = free_port()
        super().__init__(folder)

    @property
    def url(self) -> str:
        return f"kafka://{self._server}?session.timeout.ms=6000&broker.address.family=v4"

    @property
    def _server(self) -> str:
        return f"127.0.0.1:{self.port}"

    def command(self) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        properties = self.folder / "server.properties"
        java = ["java", "-Xmx512m", "-cp", f"{_LIBRARIES}/*"]
        if not properties.exists():
            text = _PROPERTIES.format(port=self.port, controller=self._controller, folder=self.folder)
            properties.write_text(text)
            cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            tool = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
            subprocess.run(tool, check=True, capture_output=True)
        return [*java, "kafka.Kafka", properties], {}

    def prepare(self) -> None:
        client = AdminClient({"bootstrap.servers": self._server})
        topics = [NewTopic(self.NAME, _PARTITIONS, 1), NewTopic(self.DEAD, 1, 1)]
        for done in client.create_topics(topics).values():
            done.result(30)

    def publish(self, *bodies: bytes) -> None:
        producer = confluent_kafka.Producer({"bootstrap.servers": self._server})
        failed: list[object] = []
        for number, body in enumerate(bodies):
            # Ten in a row to the same one, which keeps their order.
            partition = number // 10 % _PARTITIONS
            producer.produce(self.NAME, body, partition=partition, on_delivery=lambda error, _: failed.append(error))
        producer.flush()
        assert failed == [None] * len(bodies)

    @property
    def remaining(self) -> int:
        consumer = self._consumer()
        places = [TopicPartition(self.NAME, number) for number in range(_PARTITIONS)]
        committed = consumer.committed(places, 30)
        ends = [consumer.get_watermark_offsets(place, 30) for place in places]
        consumer.close()
        return sum(high - max(done.offset, low) for (low, high), done in zip(ends, committed, strict=True))

    def dead_letters(self) -> list[Letter]:
        consumer = self._consumer()
        _, end = consumer.get_watermark_offsets(TopicPartition(self.DEAD, 0), 30)
        consumer.assign([TopicPartition(self.DEAD, 0, 0)])
        found = consumer.consume(end, 10)
        consumer.close()
        return [Letter(each.value() or b"", _text(dict(each.headers() or ())[PROBLEM])) for each in found]

    def _consumer(self) -> confluent_kafka.Consumer:
        return confluent_kafka.Consumer({"bootstrap.servers": self._server, "group.id": "webhook-admin"})


def _text(value: str | bytes | None) -> str:
    assert isinstance(value, bytes)
    return value.decode()

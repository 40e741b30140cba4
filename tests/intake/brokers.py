"""All brokers that `consume` takes events from."""

from tests.intake.broker import Broker
from tests.intake.kafka import Kafka
from tests.intake.nats import Nats
from tests.intake.rabbitmq import RabbitMq

BROKERS: dict[str, type[Broker]] = {"nats": Nats, "rabbitmq": RabbitMq, "kafka": Kafka}

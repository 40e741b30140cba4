"""RabbitMQ, as Debian's package `rabbitmq-server` has it."""

import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import aio_pika
from aio_pika.abc import AbstractConnection

from tests.intake.broker import Broker, Letter, call
from tests.shells import free_port, listens
from tests.waiting import wait_until
from webhook_admin.intake.consumer import PROBLEM

T = TypeVar("T")
# Not the one of PATH, which runs as another user.
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


class RabbitMq(Broker):
    """Its source is a durable queue."""

    NAME, DEAD = "status", "status.dead"
    missing = "" if _PROGRAM.exists() and shutil.which("epmd") else "RabbitMQ is not installed (rabbitmq-server)."

    def __init__(self, folder: Path) -> None:
        # The names of Erlang's nodes: a daemon of the test's own, which ends with it.
        self._names = free_port()
        self._epmd = subprocess.Popen(["epmd", "-port", self._names, "-address", "127.0.0.1"])
        wait_until(lambda: listens(self._names))
        super().__init__(folder)

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def command(self) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        names = {
            "NODENAME": f"test{self.port}@localhost",
            "NODE_PORT": self.port,
            "NODE_IP_ADDRESS": "127.0.0.1",
            "DIST_PORT": free_port(),
            "MNESIA_BASE": str(self.folder / "mnesia"),
            "LOG_BASE": str(self.folder),
            "ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "CONFIG_FILE": str(self.folder / "none"),
        }
        environment = {f"RABBITMQ_{name}": value for name, value in names.items()}
        return [_PROGRAM], environment | {"ERL_EPMD_PORT": self._names, "HOME": str(self.folder)}

    def prepare(self) -> None:
        async def declare(client: AbstractConnection) -> None:
            channel = await client.channel()
            for name in (self.NAME, self.DEAD):
                await channel.declare_queue(name, durable=True)

        self._call(declare)
        # A broker that is killed may have lost the latest of them.
        self.kill(signal.SIGTERM)
        self.start()

    def publish(self, *bodies: bytes) -> None:
        async def publish(client: AbstractConnection) -> None:
            channel = await client.channel()
            for body in bodies:
                message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await channel.default_exchange.publish(message, self.NAME)

        self._call(publish)

    @property
    def remaining(self) -> int:
        async def look(client: AbstractConnection) -> int:
            queue = await (await client.channel()).get_queue(self.NAME)
            return queue.declaration_result.message_count or 0

        return self._call(look)

    def dead_letters(self) -> list[Letter]:
        async def read(client: AbstractConnection) -> list[Letter]:
            queue = await (await client.channel()).get_queue(self.DEAD)
            # They are not acknowledged, and go back into the queue as the channel closes.
            found = [await queue.get() for _ in range(queue.declaration_result.message_count or 0)]
            return [Letter(each.body, str(each.headers[PROBLEM])) for each in found]

        return self._call(read)

    def close(self) -> None:
        """End it, and the daemon with the names."""
        self.kill()
        self._epmd.kill()
        self._epmd.wait(10)

    def _call(self, work: Callable[[AbstractConnection], Awaitable[T]]) -> T:
        return call(partial(aio_pika.connect, self.url), work)

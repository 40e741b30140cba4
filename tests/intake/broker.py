"""A real message broker of a test's own, on loopback, which can be killed and started again on its data."""

import asyncio
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tests.shells import free_port, listens
from tests.waiting import wait_until

T = TypeVar("T")
Client = TypeVar("Client")


class Letter(NamedTuple):
    """A dead letter: the message as it came, and the header with its problem."""

    body: bytes
    problem: str


class Broker(ABC):
    """The broker, with a source of events, `NAME`, and a place for dead letters, `DEAD`.

    `missing` says why it cannot be had here, or is empty. `options` are those that `consume` needs to notice soon that
    another process was killed.
    """

    NAME: str
    DEAD: str
    missing: str = ""
    options: Sequence[str] = ()

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.start()
        self.prepare()

    @property
    @abstractmethod
    def url(self) -> str:
        """What `consume` is given."""

    @abstractmethod
    def command(self) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        """What starts it, and its environment beside this process's."""

    @abstractmethod
    def prepare(self) -> None:
        """Make `NAME` and `DEAD`."""

    @abstractmethod
    def publish(self, *bodies: bytes) -> None:
        """Publish messages; the broker keeps each when this returns."""

    @property
    @abstractmethod
    def remaining(self) -> int:
        """How many messages are not acknowledged, while nobody consumes."""

    @abstractmethod
    def dead_letters(self) -> list[Letter]:
        """The dead letters that are there."""

    def start(self) -> None:
        """Start it, on the data that it has."""
        command, environment = self.command()
        with (self.folder / "broker.log").open("a") as log:
            self._popen = subprocess.Popen(
                command, env=os.environ | environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(lambda: listens(self.port), 60)

    def kill(self, signal_: int = signal.SIGKILL) -> None:
        """Send SIGKILL, or the signal."""
        os.killpg(self._popen.pid, signal_)
        self._popen.wait(30)

    def close(self) -> None:
        """End it for good."""
        self.kill()


def call(connect: Callable[[], Awaitable[Client]], work: Callable[[Client], Awaitable[T]]) -> T:
    """Do the work with a client of asyncio that is closed afterwards."""

    async def run() -> T:
        client: Any = await connect()
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())

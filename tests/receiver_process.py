"""A receiver for load: a process of its own that answers as fast as it can, and writes down each request it sees.

    python -m tests.receiver_process --folder FOLDER [--port PORT] [--ports N] [--hosts N] [--handshake MIN MAX]

`/ok` answers 200, and closes the connection with `/once`; `/fail` 500, `/unavailable` 503, `/slow/<ms>` 200 that much
later, `/drip` slowly, `/hang` never, `/reset` with RST. More than was asked for comes from `/double` (two answers),
`/late/<ms>` (the second that much later), `/half/<ms>` (the head of the second in two parts), `/surplus/<status>` (an
answer after one without a body) and `/eager` (the first answer before the request is whole).
"""

import argparse
import asyncio
import gc
import random
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import trustme
import uvloop

from tests.receiver_conversation import Conversation, Log

BACKLOG = 4_000
# Below Linux's ephemeral ports, and above the last port that callback URLs may not have (10080).
FIRST_PORT, LAST_PORT = 12_000, 32_000


@dataclass(frozen=True)
class Seen:
    """A request; `at` is when its first byte came, by the monotonic clock."""

    at: float
    delivery: str
    event: str
    path: str


class ReceiverProcess:
    """The process, from `with` to its end. Its authority and its log stay in the folder, so that it can come back.

    It has `hosts` addresses (127.0.0.1, 127.0.0.2 and so on; more than one only on Linux) with `ports` ports each:
    as many origins. A TLS handshake is answered after a time between the two of `handshake`, in seconds.
    """

    def __init__(
        self, folder: Path, port: int = 0, *, hosts: int = 1, ports: int = 1, handshake: tuple[float, float] = (0, 0)
    ) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._port = port
        self._hosts, self._ports, self._handshake = hosts, ports, handshake
        self.ca_file = folder / "ca.pem"
        self.log_file = folder / "requests.log"

    def __enter__(self) -> Self:
        options = {"folder": self._folder, "port": self._port, "hosts": self._hosts, "ports": self._ports}
        command = [sys.executable, __file__, *(f"--{name}={value}" for name, value in options.items())]
        command += ["--handshake", *map(str, self._handshake)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self._port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def port(self) -> int:
        return self._port

    @property
    def base_url(self) -> str:
        return self.origins()[0]

    def origins(self) -> list[str]:
        """All its origins."""
        ports = range(self._port, self._port + self._ports)
        return [f"https://{host}:{port}" for port in ports for host in addresses(self._hosts)]

    def seen(self) -> list[Seen]:
        """The requests so far."""
        if not self.log_file.exists():
            return []
        lines = (line.split(" ", 3) for line in self.log_file.read_text().splitlines())
        return [Seen(float(at), delivery, event, path) for at, delivery, event, path in lines]


def addresses(count: int) -> list[str]:
    """So many addresses on loopback (at most 254)."""
    return [f"127.0.0.{number}" for number in range(1, count + 1)]


def write_certificate(folder: Path, hosts: int) -> Path:
    """A certificate with its key for the addresses, `server.pem`, beside its authority's, `ca.pem`; made only once."""
    chain = folder / "server.pem"
    if not chain.exists():
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "::1", *addresses(hosts))
        certificate.private_key_and_cert_chain_pem.write_to_path(chain)
        authority.cert_pem.write_to_path(folder / "ca.pem")
    return chain


def find_ports(host: str, count: int) -> list[socket.socket]:
    """Listen on so many ports in a row that nobody else listens on."""
    while True:
        first = random.randrange(FIRST_PORT, LAST_PORT - count)
        with ExitStack() as stack, suppress(OSError):
            pairs = [(host, port) for port in range(first, first + count)]
            listeners = [stack.enter_context(socket.create_server(pair, backlog=BACKLOG)) for pair in pairs]
            stack.pop_all()
            return listeners


async def serve(folder: Path, listeners: list[socket.socket], hosts: int, handshake: tuple[float, float]) -> None:
    """Serve until SIGTERM or SIGINT; the first port is the first line of output."""
    loop = asyncio.get_running_loop()
    log = Log(folder / "requests.log", loop)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(write_certificate(folder, hosts))

    async def converse(connection: socket.socket) -> None:
        await asyncio.sleep(random.uniform(*handshake))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A client that goes away during the handshake is nothing to complain about.
        with suppress(OSError):
            await loop.connect_accepted_socket(lambda: Conversation(log, loop, connection), connection, ssl=tls)

    async def accept(listener: socket.socket) -> None:
        while True:
            connection, _ = await loop.sock_accept(listener)
            tasks.create_task(converse(connection))

    async with asyncio.TaskGroup() as tasks:
        accepting = [tasks.create_task(accept(listener)) for listener in listeners]
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: [task.cancel() for task in accepting])
        print(listeners[0].getsockname()[1], flush=True)  # noqa: T201  whoever started the process waits for it


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ports", type=int, default=1)
    parser.add_argument("--hosts", type=int, default=1)
    parser.add_argument("--handshake", type=float, nargs=2, default=(0, 0))
    arguments = parser.parse_args()
    host = "127.0.0.1" if arguments.hosts == 1 else "0.0.0.0"
    if arguments.ports == 1:
        listeners = [socket.create_server((host, arguments.port), backlog=BACKLOG)]
    else:
        listeners = find_ports(host, arguments.ports)
    for listener in listeners:
        listener.settimeout(0)
    # Collecting is rare, but not off: a TLS connection is a reference cycle.
    gc.freeze()
    gc.set_threshold(50_000)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(arguments.folder, listeners, arguments.hosts, tuple(arguments.handshake)))


if __name__ == "__main__":
    main()

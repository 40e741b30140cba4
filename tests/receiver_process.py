"""A receiver for load: a process of its own that answers as fast as it can, and writes down each request it sees.

    python -m tests.receiver_process --folder FOLDER [--port PORT]

`/ok` answers 200, `/fail` 500, `/slow/<ms>` 200 that much later, `/drip` slowly, `/hang` never, `/reset` with RST.
"""

import argparse
import asyncio
import gc
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
from pathlib import Path
from typing import Self

import trustme

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FAIL = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
DELIVERY = re.compile(rb"\r\nwebhook-id: *([^\r]*)", re.IGNORECASE)


class Log:
    """A file with one line for each request: `webhook-id path`. Written once per round of the event loop."""

    def __init__(self, file: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._loop = loop
        self._lines: list[bytes] = []

    def add(self, line: bytes) -> None:
        """Note a line."""
        if not self._lines:
            self._loop.call_soon(self._flush)
        self._lines.append(line)

    def _flush(self) -> None:
        os.write(self._descriptor, b"".join(self._lines))
        self._lines.clear()


class Conversation(asyncio.Protocol):
    """One connection."""

    def __init__(self, log: Log, loop: asyncio.AbstractEventLoop) -> None:
        self._log = log
        self._loop = loop
        self._unread = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is one, under TLS
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            head = self._unread[:end]
            length = LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._unread) < whole:
                return
            self._unread = self._unread[whole:]
            path = head.split(b" ", 2)[1]
            delivery = DELIVERY.search(head)
            self._log.add(b"%b %b\n" % (delivery[1] if delivery else b"-", path))
            self._answer(path)

    def _answer(self, path: bytes) -> None:
        if path.startswith(b"/ok"):
            self._transport.write(OK)
        elif path.startswith(b"/fail"):
            self._transport.write(FAIL)
        elif path.startswith(b"/slow/"):
            self._loop.call_later(int(path.split(b"/")[2]) / 1_000, self._transport.write, OK)
        elif path.startswith(b"/drip"):
            self._drip(OK)
        elif path.startswith(b"/reset"):
            linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()

    def _drip(self, rest: bytes) -> None:
        if rest and not self._transport.is_closing():
            self._transport.write(rest[:1])
            self._loop.call_later(0.1, self._drip, rest[1:])


class ReceiverProcess:
    """The process, from `with` to its end. Its authority and its log stay in the folder, so that it can come back."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._folder = folder
        self._port = port
        self.ca_file = folder / "ca.pem"
        self.log_file = folder / "requests.log"

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, "--folder", str(self._folder), "--port", str(self._port)]
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
        return f"https://127.0.0.1:{self._port}"

    def seen(self) -> list[tuple[str, str]]:
        """The requests so far: delivery and path of each."""
        if not self.log_file.exists():
            return []
        lines = self.log_file.read_text().splitlines()
        return [(delivery, path) for delivery, path in (line.split(" ", 1) for line in lines)]


def _tls(folder: Path) -> ssl.SSLContext:
    chain = folder / "server.pem"
    if not chain.exists():
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1", "::1")
        certificate.private_key_and_cert_chain_pem.write_to_path(chain)
        authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


async def serve(folder: Path, port: int) -> None:
    """Serve until SIGTERM or SIGINT; the port is the first line of output."""
    loop = asyncio.get_running_loop()
    log = Log(folder / "requests.log", loop)
    listener = socket.create_server(("127.0.0.1", port), backlog=4_000)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await loop.create_server(lambda: Conversation(log, loop), sock=listener, ssl=_tls(folder))
    print(listener.getsockname()[1], flush=True)  # noqa: T201  whoever started the process waits for it
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    gc.disable()  # no cycles here, only speed
    asyncio.run(serve(arguments.folder, arguments.port))


if __name__ == "__main__":
    main()

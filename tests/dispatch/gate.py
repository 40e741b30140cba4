"""A gate in front of a receiver: connections are accepted at once, and reach the receiver when the gate is opened."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class Gate:
    """Listens on loopback and passes bytes on to `port`, in both directions, once it is open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._opened = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._is_closing = False
        self.connections = 0

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closing = True
        self._opened.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            for each in list(self._sockets):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            thread.join(10)
        for each in [self._listener, *self._sockets]:
            each.close()

    def url(self, path: str = "/") -> str:
        """A URL that leads through the gate."""
        return f"https://127.0.0.1:{self._listener.getsockname()[1]}{path}"

    def open(self) -> None:
        """Let through what waits, and all that follows."""
        self._opened.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            self.connections += 1
            self._start(self._connect, client)

    def _connect(self, client: socket.socket) -> None:
        self._opened.wait(30)
        if self._is_closing:
            return
        server = socket.create_connection(("127.0.0.1", self._port))
        self._sockets.append(server)
        self._start(_pass_on, server, client)
        _pass_on(client, server)

    def _start(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return

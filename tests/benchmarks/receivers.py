"""A receiver that costs little: nginx where it is installed, else the tests' own receiver process.

Both have any number of origins on loopback, and count the requests and the connections that they have had.
"""

import http.client
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.receiver_process import ReceiverProcess, Seen, addresses, find_ports, write_certificate
from tests.soak.processes import free_port
from tests.soak.waiting import until

CONFIGURATION = """
daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {folder}/nginx.pid; {user} error_log {folder}/error.log;
events {{ worker_connections 20000; multi_accept on; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    ssl_certificate {certificate}; ssl_certificate_key {certificate}; ssl_protocols TLSv1.2 TLSv1.3;
    server {{ listen {host}:{first}-{last} ssl backlog=4000; return 200; }}
    server {{ listen 127.0.0.1:{status_port}; location / {{ stub_status; }} }}
}}
"""
HAS_NGINX = bool(shutil.which("nginx"))
# "server accepts handled requests", and below it the three numbers.
STATUS = re.compile(r"^ (\d+) (\d+) (\d+) $", re.MULTILINE)


class Receiver(Protocol):
    """What the benchmark needs of a receiver."""

    ca_file: Path

    def origins(self) -> list[str]:
        """All its origins."""

    def requests(self) -> int:
        """How many requests it has had."""

    def connections(self) -> int | None:
        """How many connections it has had; None if it does not count them."""

    def seen(self) -> list[Seen]:
        """What the requests were; nginx does not say."""


class Nginx:
    """nginx with one worker, without a log, on so many ports of so many addresses."""

    def __init__(self, folder: Path, hosts: int, ports: int) -> None:
        self._hosts, self._ports = hosts, ports
        host = "127.0.0.1" if hosts == 1 else "0.0.0.0"
        listeners = find_ports(host, ports)
        self._first = listeners[0].getsockname()[1]
        for listener in listeners:
            listener.close()
        self._status_port = free_port()
        self._own_requests = 0
        self.ca_file = folder / "ca.pem"
        self._file = folder / "nginx.conf"
        configuration = CONFIGURATION.format(
            folder=folder,
            user="user root;" if os.geteuid() == 0 else "",
            certificate=write_certificate(folder, hosts),
            host=host,
            first=self._first,
            last=self._first + ports - 1,
            status_port=self._status_port,
        )
        self._file.write_text(configuration)

    @contextmanager
    def running(self) -> Iterator["Nginx"]:
        """Run until the context ends."""
        with subprocess.Popen(["nginx", "-c", self._file]) as process:
            try:
                until(self._is_answering, 10)
                yield self
            finally:
                process.terminate()

    def origins(self) -> list[str]:
        """All its origins."""
        ports = range(self._first, self._first + self._ports)
        return [f"https://{host}:{port}" for port in ports for host in addresses(self._hosts)]

    def requests(self) -> int:
        """How many requests it has had, without those that ask this."""
        return self._counts()[2] - self._own_requests

    def connections(self) -> int:
        """How many connections it has had, without those that ask this."""
        return self._counts()[0] - self._own_requests

    def seen(self) -> list[Seen]:
        """Not known."""
        raise NotImplementedError

    def _counts(self) -> tuple[int, int, int]:
        connection = http.client.HTTPConnection("127.0.0.1", self._status_port, timeout=10)
        connection.request("GET", "/", headers={"Connection": "close"})
        self._own_requests += 1
        found = STATUS.search(connection.getresponse().read().decode())
        connection.close()
        assert found
        return int(found[1]), int(found[2]), int(found[3])

    def _is_answering(self) -> bool:
        try:
            return self.requests() >= 0
        except OSError:
            return False


class OwnReceiver(ReceiverProcess):
    """The tests' receiver process; it answers everything with 200."""

    def origins(self) -> list[str]:
        """All its origins, with the path that answers 200."""
        return [f"{origin}/ok" for origin in super().origins()]

    def requests(self) -> int:
        """How many requests it has had."""
        return self.log_file.read_bytes().count(b"\n") if self.log_file.exists() else 0

    def connections(self) -> None:
        """It does not count them."""


@contextmanager
def receiver(folder: Path, hosts: int, ports: int, *, needs_times: bool) -> Iterator[Receiver]:
    """The receiver that costs least here, with so many ports on each of so many addresses.

    With `needs_times` it is the one that knows when each request came.
    """
    folder.mkdir()
    if HAS_NGINX and not needs_times:
        with Nginx(folder, hosts, ports).running() as nginx:
            yield nginx
    else:
        with OwnReceiver(folder, hosts=hosts, ports=ports) as own:
            yield own

"""`receive`: a receiver to try the service out with, over real TLS and as a real process."""

import base64
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from standardwebhooks import Webhook

from tests.engine import Configure, Dispatch, Queue, event
from tests.waiting import wait_until
from webhook_admin.cli import main
from webhook_admin.cli.receive.certificate import certificate_in
from webhook_admin.cli.receive.verify import find_fault, find_secret

ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwbXl9SUrE4Rk="
OTHER_SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
BODY = b'{"status":"DELIVERED"}'
NOW = 1_800_000_000


def signed(secret: str = SECRET, at: float = NOW, body: bytes = BODY) -> dict[str, str]:
    """The headers that the published library of Standard Webhooks makes."""
    signature = Webhook(secret).sign("dlv_1", datetime.fromtimestamp(at, UTC), body.decode())
    return {"webhook-id": "dlv_1", "webhook-timestamp": str(int(at)), "webhook-signature": signature}


@dataclass
class Started:
    """A `webhook-admin receive` at work; its output, and what notifications are POSTed to it with."""

    popen: subprocess.Popen[str]
    folder: Path

    @property
    def output(self) -> str:
        """All that it has printed."""
        return (self.folder / "output").read_text()

    @property
    def errors(self) -> str:
        """All that it has said on standard error."""
        return (self.folder / "errors").read_text()

    @property
    def said(self) -> str:
        """Both."""
        return self.output + self.errors

    @property
    def url(self) -> str:
        """The callback URL that it names."""
        return re.search(r"https://\S+/delivery-status", self.said)[0]  # type: ignore[index]

    def post(self, headers: dict[str, str], body: bytes = BODY, path: str = "") -> requests.Response:
        """A notification, sent to the callback URL by somebody who trusts the certificate."""
        pem = str(self.folder / "webhook-admin-data" / "receiver.pem")
        return requests.post(self.url + path, body, headers=headers, verify=pem, timeout=10)

    def converse(self, request: bytes) -> bytes:
        """The first bytes of the answer to a request that no library would send."""
        context = ssl.create_default_context(cafile=self.folder / "webhook-admin-data" / "receiver.pem")
        port = int(re.search(r":([0-9]+)/", self.url)[1])  # type: ignore[index]
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            connection.sendall(request)
            return connection.recv(100)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send the signal, Ctrl-C's if no other is given; the exit status."""
        self.popen.send_signal(number)
        return self.popen.wait(10)


@pytest.fixture
def receive(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Starts `webhook-admin receive` with these options, on a free port, and returns when it listens."""
    started: list[Started] = []

    def start(*options: str, **environment: str) -> Started:
        with (tmp_path / "output").open("w") as output, (tmp_path / "errors").open("w") as errors:
            popen = subprocess.Popen(
                [sys.executable, "-m", "webhook_admin", "receive", "--port", "0", *options],
                cwd=tmp_path,
                env=os.environ | environment,
                stdout=output,
                stderr=errors,
                text=True,
            )
        started.append(Started(popen, tmp_path))
        wait_until(lambda: "Ctrl-C" in started[-1].said or popen.poll() is not None)
        assert popen.poll() is None, started[-1].said
        return started[-1]

    yield start
    for each in started:
        if each.popen.poll() is None:
            each.stop()


@ON_SQLITE
def test_the_service_delivers_to_it(
    receive: Callable[..., Started], configure: Configure, dispatch: Dispatch, queue: Queue, tmp_path: Path
) -> None:
    """With the printed settings, a notification to the printed URL arrives, is verified and acknowledged."""
    secret = queue.customer()
    (tmp_path / "secret").write_text(secret)
    receiver = receive("--secret-file", "secret")
    for name, value in re.findall(r"export WEBHOOK_ADMIN_(\w+)=(\S+)", receiver.said):
        configure(**{name: value})
    dispatch()
    queue.accept(event(callback_url=receiver.url))
    queue.wait_for(DELIVERED=1)
    wait_until(lambda: "verified, answered 200" in receiver.output)
    assert queue.delivery().id in receiver.output
    assert '"messageId":"msg_1"' in receiver.output


@pytest.mark.parametrize(
    ("options", "environment"), [(["--secret", SECRET], {}), ([], {"WEBHOOK_ADMIN_SIGNING_SECRET": SECRET})]
)
def test_a_genuine_notification_is_verified(
    receive: Callable[..., Started], options: list[str], environment: dict[str, str]
) -> None:
    """The secret comes from an option, the environment, or a file."""
    receiver = receive(*options, **environment)
    assert receiver.post(signed(at=time.time())).status_code == 200
    wait_until(lambda: "  verified, answered 200" in receiver.output)
    assert receiver.stop() == 0


def test_the_file_of_the_secret_may_come_later(receive: Callable[..., Started], tmp_path: Path) -> None:
    """It is read for each notification, and may be the API's answer in which the secret stands."""
    receiver = receive("--secret-file", "webhook.json")
    assert receiver.post(signed(at=time.time())).status_code == 200
    wait_until(lambda: "not verified: no secret given" in receiver.output)
    (tmp_path / "webhook.json").write_text(json.dumps({"id": "wh_1", "signingSecret": SECRET}))
    receiver.post(signed(at=time.time()))
    wait_until(lambda: "  verified, answered 200" in receiver.output)


@pytest.mark.parametrize(
    ("secret", "age", "left_out", "fault"),
    [
        (OTHER_SECRET, 0, "", "signature does not match"),
        (SECRET, 3600, "", "timestamp is not recent"),
        (SECRET, 0, "webhook-signature", "there is no signature"),
        (SECRET, 0, "webhook-timestamp", "timestamp is not recent"),
    ],
)
def test_all_else_is_refused(receive: Callable[..., Started], secret: str, age: int, left_out: str, fault: str) -> None:
    """A request that is not genuine is answered 401, and shown with the reason."""
    receiver = receive("--secret", SECRET)
    headers = signed(secret, at=time.time() - age)
    headers.pop(left_out, None)
    assert receiver.post(headers).status_code == 401
    wait_until(lambda: f"not verified: {fault}, answered 401" in receiver.output)


def test_without_a_secret_it_says_that_nothing_is_verified(receive: Callable[..., Started]) -> None:
    """Before the first notification, and with each."""
    receiver = receive()
    assert "Notifications are not verified: give the signing secret" in receiver.output
    assert receiver.post(signed(at=time.time())).status_code == 200
    wait_until(lambda: "not verified: no secret given, answered 200" in receiver.output)


def test_nothing_that_comes_controls_the_terminal(receive: Callable[..., Started]) -> None:
    """Control characters of the path, the headers and the body are never printed."""
    receiver = receive()
    evil = "\x1b]0;pwned\x07"
    head = f"POST /{evil} HTTP/1.1\r\nwebhook-id: {evil}\r\nContent-Length: {len(evil)}\r\n\r\n"
    assert receiver.converse((head + evil).encode()).startswith(b"HTTP/1.1 200")
    wait_until(lambda: "answered 200" in receiver.output)
    assert "pwned" in receiver.output
    assert "\x1b" not in receiver.output
    assert "\x07" not in receiver.output


def test_json_is_a_line_for_each_notification(receive: Callable[..., Started]) -> None:
    """Standard output has nothing else; what to do is said on standard error."""
    receiver = receive("--json", "--secret", SECRET)
    headers = signed(at=time.time())
    receiver.post(headers)
    receiver.post(headers, BODY + b" ")
    first, second = map(json.loads, wait_until(lambda: (found := receiver.output.splitlines())[1:] and found))
    assert headers.items() <= first["headers"].items()
    assert (first["verified"], first["fault"], first["status"]) == (True, None, 200)
    assert (first["path"], first["body"]) == ("/delivery-status", BODY.decode())
    assert (second["verified"], second["fault"], second["status"]) == (False, "signature does not match", 401)


def test_it_answers_as_it_is_told(receive: Callable[..., Started]) -> None:
    """--status and --delay make it a receiver in trouble."""
    receiver = receive("--status", "503", "--delay", "0.3")
    answer = receiver.post(signed(at=time.time()))
    assert answer.status_code == 503
    assert answer.elapsed > timedelta(seconds=0.3)


def test_a_body_without_a_length_is_refused(receive: Callable[..., Started]) -> None:
    """411, and the receiver goes on."""
    receiver = receive()
    for length in ("", "Content-Length: -1\r\n", "Content-Length: 1000000\r\n"):
        assert receiver.converse(f"POST / HTTP/1.1\r\n{length}\r\n".encode()).startswith(b"HTTP/1.1 411")
    assert receiver.post(signed(at=time.time())).status_code == 200


def test_a_client_that_does_not_trust_it_is_reported(receive: Callable[..., Started]) -> None:
    """A sender without CA_BUNDLE, or with http: one line names the reason, without a traceback."""
    receiver = receive()
    with pytest.raises(requests.exceptions.SSLError):
        requests.post(receiver.url, BODY, timeout=10)
    wait_until(lambda: "A connection failed in TLS: tlsv1 alert unknown ca." in receiver.errors)
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.post(receiver.url.replace("https:", "http:"), BODY, timeout=10)
    wait_until(lambda: "A connection failed in TLS: http request." in receiver.errors)
    assert "Traceback" not in receiver.errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_at_once(receive: Callable[..., Started], number: int) -> None:
    """Exit status 0 and the figures, also while a connection is still open; SIGTERM does the same."""
    receiver = receive()
    pem = str(receiver.folder / "webhook-admin-data" / "receiver.pem")
    with requests.Session() as session:
        session.post(receiver.url, BODY, verify=pem, timeout=10)
        wait_until(lambda: "answered 200" in receiver.output)
        begun = time.monotonic()
        assert receiver.stop(number) == 0
        assert time.monotonic() - begun < 3
    assert receiver.errors == "\n1 received, 0 verified.\n"


def test_the_certificate_stays(tmp_path: Path) -> None:
    """The service need not be started again when the receiver is; the key is the owner's alone."""
    first = certificate_in(tmp_path / "data")
    contents = [file.read_bytes() for file in first]
    assert certificate_in(tmp_path / "data") == first
    assert [file.read_bytes() for file in first] == contents
    assert first.key_file.stat().st_mode & 0o077 == 0
    first.file.write_text("damaged")
    assert certificate_in(tmp_path / "data").file.read_bytes() != b"damaged"


def test_other_settings_do_not_matter(receive: Callable[..., Started], tmp_path: Path) -> None:
    """CA_BUNDLE may name the certificate before there is one, which would stop every other command."""
    receive(WEBHOOK_ADMIN_CA_BUNDLE=str(tmp_path / "webhook-admin-data" / "receiver.pem"))


def test_a_port_that_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One sentence names the port and the way out."""
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = CliRunner().invoke(main, ["receive", "--port", port])
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: Cannot listen on 127.0.0.1, port {port}: Address already in use. Choose another port with --port.\n"
    )


@pytest.mark.parametrize("secret", ["", "hush", SECRET[:-2], f"{SECRET} ", "whsec_\x1b"])
def test_a_bad_secret_is_refused_without_repeating_it(secret: str) -> None:
    """Exit status 2."""
    result = CliRunner().invoke(main, ["receive", "--secret", secret])
    assert result.exit_code == 2
    assert not secret or secret not in result.stderr


def test_two_secrets_are_refused() -> None:
    """Nobody can tell which of them was meant."""
    result = CliRunner().invoke(main, ["receive", "--secret", SECRET, "--secret-file", "other"])
    assert result.exit_code == 2


# Whether a notification is genuine


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_secret_is_found_in_a_text(size: int) -> None:
    """Of every length that the specification allows, by itself or in JSON."""
    secret = "whsec_" + base64.b64encode(bytes(size)).decode()
    assert find_secret(secret) == find_secret(f'{{"signingSecret": "{secret}"}}\n') == secret
    assert find_secret('{"signingSecret": "whsec_AAAA"}') is None


def test_the_receiver_believes_what_the_standards_own_library_signs() -> None:
    """Its check is that of Standard Webhooks, and not only what agrees with the service."""
    assert find_fault(SECRET, signed(SECRET), BODY, NOW) is None


def test_a_receiver_takes_any_of_several_signatures() -> None:
    """While a secret is being replaced, a notification is signed with both."""
    signatures = f"{signed(OTHER_SECRET)['webhook-signature']} {signed(SECRET)['webhook-signature']}"
    assert find_fault(SECRET, signed(SECRET) | {"webhook-signature": signatures}, BODY, NOW) is None


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "dlv_2"},
        {"webhook-timestamp": str(NOW - 1)},
        {"webhook-signature": "v1,"},
    ],
)
def test_a_changed_header_is_not_believed(change: dict[str, str]) -> None:
    """The signature covers the id and the time, too."""
    assert find_fault(SECRET, signed(SECRET) | change, BODY, NOW) == "signature does not match"


def test_another_body_or_secret_is_not_believed() -> None:
    """One bit of the body, or a signature that somebody else has made."""
    assert find_fault(SECRET, signed(SECRET), BODY + b" ", NOW) == "signature does not match"
    assert find_fault(SECRET, signed(OTHER_SECRET), BODY, NOW) == "signature does not match"


@pytest.mark.parametrize("now", [NOW - 301, NOW + 301])
def test_what_is_not_of_now_is_not_believed(now: int) -> None:
    """A notification that was recorded and is played back later is told apart, genuine as its signature is."""
    assert find_fault(SECRET, signed(SECRET), BODY, now) == "timestamp is not recent"


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1e9", "9" * 5000])
def test_a_time_that_is_none_is_not_believed(timestamp: str) -> None:
    """Whatever stands in the header, the check gives an answer."""
    headers = signed(SECRET) | {"webhook-timestamp": timestamp}
    assert find_fault(SECRET, headers, BODY, NOW) == "timestamp is not recent"

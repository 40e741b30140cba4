"""The story that the demo tells: what becomes of three messages, and of the notifications about them."""

import time
from datetime import UTC, datetime
from http import HTTPStatus
from queue import Empty
from typing import Any

import click
import requests

from webhook_admin.cli.demo.api import TIMEOUT, Api
from webhook_admin.cli.demo.report import attempted
from webhook_admin.cli.demo.screen import Screen, shorten
from webhook_admin.cli.demo.service import Service
from webhook_admin.cli.receive.server import Arrival, Receiver
from webhook_admin.events import Channel, Reason, Status

_FORGED_STATUS = (b'"UNDELIVERED"', b'"DELIVERED"')


class Story:
    """Told in the order of its methods. Raises `ClickException` where something does not come as it should."""

    def __init__(self, service: Service, receiver: Receiver, session: requests.Session, screen: Screen) -> None:
        self._service = service
        self._receiver = receiver
        self._session = session
        self._screen = screen
        self._platform = Api(session, service.url, service.platform_key)
        self._sent_at = 0.0
        self.events = 0
        self.arrivals: list[Arrival] = []

    def tell(self) -> None:
        """Tell it from the beginning to the end."""
        self._register()
        self._text_message()
        self._whatsapp_message()
        self._forge(self._overload())

    def _register(self) -> None:
        self._screen.title("Acme registers its callback URL, and is told the secret that signs")
        self._create(self._platform, "PUT", "/accounts/acme", {"name": "Acme Ltd"}, "name")
        key = self._create(self._platform, "POST", "/accounts/acme/keys", {}, "key")
        customer = Api(self._session, self._service.url, key)
        body = {"callbackUrl": self._receiver.url}
        secret = self._create(customer, "POST", "/webhooks/delivery-status", body, "signingSecret")
        self._receiver.signing_secret = lambda: secret

    def _create(self, api: Api, method: str, path: str, body: dict[str, str], shown: str) -> str:
        """What the answer says in the field that is shown."""
        value: str = api.call(method, path, body, HTTPStatus.CREATED)[shown]
        self._screen.call(method, path, HTTPStatus.CREATED, f"{shown} {shorten(value)}")
        return value

    def _text_message(self) -> None:
        self._screen.title("A text message is delivered, and Acme's server hears of every step")
        for status in (Status.QUEUED, Status.SENT, Status.DELIVERED):
            self._send("1001", Channel.SMS, status)
            self._receive()

    def _whatsapp_message(self) -> None:
        self._screen.title("A WhatsApp message is read")
        self._send("1002", Channel.WHATSAPP, Status.READ)
        self._receive()

    def _overload(self) -> Arrival:
        self._screen.title("A text message is not delivered, and Acme's server is overloaded just then")
        self._receiver.status = HTTPStatus.SERVICE_UNAVAILABLE
        error = {"code": 27, "message": "Absent subscriber"}
        self._send("1003", Channel.SMS, Status.UNDELIVERED, reason=Reason.UNREACHABLE, error=error)
        first = self._receive()
        self._receiver.status = HTTPStatus.OK
        self._announce_retry(first)
        again = self._believed()
        if (again.id, again.body) != (first.id, first.body):
            raise click.ClickException("The second attempt's notification is not the first one's.")
        self._screen.arrival(again, f"the same, {again.at - first.at:.1f} s later", "(the same body, byte for byte)")
        return again

    def _announce_retry(self, failed: Arrival) -> None:
        delivery = attempted(self._service.database, failed.id)
        if delivery.next_attempt_at is None:
            raise click.ClickException(f"The delivery is not to be retried: it is {delivery.state}.")
        wait = (delivery.next_attempt_at - datetime.now(UTC)).total_seconds()
        self._screen.text(f"    The delivery stays {delivery.state}; its next attempt is due in {wait:.1f} s.")

    def _forge(self, genuine: Arrival) -> None:
        self._screen.title("Somebody sends a copy of that, with UNDELIVERED changed to DELIVERED")
        body = genuine.body.replace(*_FORGED_STATUS)
        headers = {name: value for name, value in genuine.headers.items() if name.startswith("webhook-")}
        verify = str(self._receiver.certificate)
        self._session.post(self._receiver.url, body, headers=headers, verify=verify, timeout=TIMEOUT)
        forged = self._next_arrival()
        if not forged.fault:
            raise click.ClickException("The receiver has believed a forged notification.")
        self._screen.arrival(forged, forged.fault)

    def _send(self, message_id: str, channel: Channel, status: Status, **more: Any) -> None:
        self.events += 1
        self._sent_at = time.monotonic()
        event = {
            "id": f"evt-{self.events}",
            "accountId": "acme",
            "messageId": message_id,
            "channel": channel,
            "status": status,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        answer = self._platform.call("POST", "/events", {"events": [event | more]}, HTTPStatus.ACCEPTED)
        target = f"/events  {channel} {message_id} {status}"
        self._screen.call("POST", target, HTTPStatus.ACCEPTED, f"accepted {answer['accepted']}")

    def _receive(self) -> Arrival:
        arrival = self._believed()
        self._screen.arrival(arrival, f"{(arrival.at - self._sent_at) * 1_000:.0f} ms after the event")
        return arrival

    def _believed(self) -> Arrival:
        arrival = self._next_arrival()
        if arrival.fault:
            raise click.ClickException(f"The receiver has not believed a genuine notification: {arrival.fault}.")
        return arrival

    def _next_arrival(self) -> Arrival:
        try:
            self.arrivals.append(self._receiver.arrivals.get(timeout=TIMEOUT))
        except Empty:
            raise click.ClickException(f"Nothing has come to the receiver for {TIMEOUT} seconds.") from None
        return self.arrivals[-1]

"""Receivers as the documents show or describe them: the code of customers who come from other providers.

Each is a function of a request's headers and body that does what the receiver does and notes it in a log. It answers
with the status that it returns, and with 500 when it fails.
"""

import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Log = list[str]
Receiver = Callable[[Message, bytes, Log], int]
KEY = b"the bytes of a signing secret"


@contextmanager
def listening(receiver: Receiver, log: Log) -> Iterator[str]:
    """The URL at which the receiver can be reached."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                status = (
                    receiver(self.headers, body, log) if self.headers["Content-Type"] == "application/json" else 415
                )
            except (AssertionError, KeyError, TypeError, ValueError) as error:
                log.append(repr(error))
                status = 500
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def standard(_headers: Message, body: bytes, log: Log) -> int:
    """Document 003: message id, channel, status, timestamp and any error details; any 2xx acknowledges."""
    event = json.loads(body)
    moment = datetime.fromisoformat(event["timestamp"])
    trouble = f" ({event['error']['code']}: {event['error']['message']})" if event["error"] is not None else ""
    log.append(f"{event['channel']} {event['messageId']} {event['status']} in {moment.year}{trouble}")
    return 204


def phonovation(_headers: Message, body: bytes, log: Log) -> int:
    """Document 000: the result of a recipient, or of the campaign, which has no NotifyId; 200 acknowledges."""
    result = json.loads(body)
    assert datetime.fromisoformat(result["FinishedAt"]).tzinfo is not None
    match result:
        case {"Status": "MESSAGE_SUCCESS" | "MESSAGE_ERROR" as status, "NotifyId": str(notify_id)}:
            log.append(f"{status} of {notify_id}: {result['Message']}")
        case {"Status": "CAMPAIGN_ERROR"} if "NotifyId" not in result:
            log.append(f"CAMPAIGN_ERROR: {result['Message']}")
        case _:
            return 400
    return 200


def routee(_headers: Message, body: bytes, log: Log) -> int:
    """Document 001: its PHP, statement by statement. PHP answers 200 and writes null as nothing."""
    request = json.loads(body)
    if request.get("messageId") is None:
        log.append("This is not a delivery receipt\n")
        return 200
    to, price = ("" if request[key] is None else request[key] for key in ("to", "price"))
    if request["status"]["name"] == "Delivered":
        log.append(f"Your message to {to} (message id {request['messageId']}) was DELIVERED.\n")
        log.append(f"The cost was {price}\n")
    elif request["status"]["name"] == "Failed":
        log.append(f"Your message to {to} (message id {request['messageId']}) was FAILED.\n")
        log.append(f"The cost was {price}\n")
    else:
        log.append(f"Your message to {to} has a status of: {request['status']['name']}\n")
    return 200


UNDELIVERED = {1408: "Carrier Violation", 1400: "Hard Bounce", 1404: "Soft Bounce", 1409: "Unknown Delivery"}


def insider(_headers: Message, body: bytes, log: Log) -> int:
    """Document 002: an event is mapped to its SMS by the id, and told apart by its name, or by the reason's code."""
    match json.loads(body):
        case {"id": str(sms), "uniqueArgs": dict(arguments), "event": "sent", "partCount": int(parts)}:
            log.append(f"{sms} {arguments}: Sent in {parts}")
        case {"id": str(sms), "uniqueArgs": dict(arguments), "event": "delivered"}:
            log.append(f"{sms} {arguments}: Delivered")
        case {"id": str(sms), "uniqueArgs": dict(arguments), "event": "undelivered", "reason": {"code": code}}:
            log.append(f"{sms} {arguments}: {UNDELIVERED[code]}")
        case _:
            return 400
    return 200


MTA_STATUSES = {
    1: "QUEUED",
    2: "SENDING",
    3: "SENT",
    4: "DELIVERED",
    5: "SENDING_FAILED",
    6: "DELIVERY_FAILED",
    7: "DELIVERY_UNCONFIRMED",
    8: "DELIVERY_REJECTED",
    9: "UNDELIVERED",
    10: "INVALID_NUMBER",
    11: "STOPPED_NUMBER",
    12: "LANDLINE",
    13: "SEND_REJECTED",
    14: "QUEUEING_FAILED",
}


def mta(headers: Message, body: bytes, log: Log) -> int:
    """Document 004: a code that stands for a status, optional tags, and 200; with the X-Signature of the format."""
    if not hmac.compare_digest(headers["X-Signature"], hmac.new(KEY, body, "sha256").hexdigest()):
        log.append("forged")
        return 401
    event = json.loads(body)
    assert event["type"] == "delivery-status"
    log.append(f"{event['messageId']} {MTA_STATUSES[event['status']]} {event.get('tags', {}).get('key', '-')}")
    return 200


RECEIVERS: dict[str, Receiver] = {
    "standard": standard,
    "phonovation-v2": phonovation,
    "routee": routee,
    "insider": insider,
    "mta-v1": mta,
}

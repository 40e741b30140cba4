"""`receive`: a receiver to try the service out with, which shows every notification as it comes."""

import json
import os
import shlex
import signal
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from webhook_admin.cli.receive.certificate import Certificate, certificate_in
from webhook_admin.cli.receive.server import LOOPBACK, Arrival, Receiver, serving
from webhook_admin.cli.receive.verify import find_secret
from webhook_admin.cli.text import block
from webhook_admin.config import PREFIX, Settings
from webhook_admin.printable import printable

_SHOWN = ("webhook-id", "webhook-timestamp", "webhook-signature", "webhook-test", "content-type")
_DATA_DIR = f"{PREFIX}DATA_DIR"
_START = """\
Listening on {url}

Start the service with these settings, so that it may send to this machine and trusts this certificate:

  export {prefix}ALLOWED_NETWORKS=127.0.0.0/8
  export {prefix}CA_BUNDLE={certificate}

Then register this callback URL for an account: {url}

{secret} Ctrl-C ends it.
"""


def _secret(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    # Not click's own sentence, which would repeat a secret.
    if value is not None and find_secret(value) != value:
        raise click.BadParameter("A signing secret is `whsec_` and 24 to 64 bytes in base64.")
    return value


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8443, show_default=True, help="Listen on this port; 0 for any."
)
@click.option(
    "--secret",
    envvar=f"{PREFIX}SIGNING_SECRET",
    show_envvar=True,
    callback=_secret,
    help="The signing secret, whsec_... On the command line, other users of the machine can see it (`ps`).",
)
@click.option(
    "--secret-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that has the signing secret in it, such as the answer to the POST that shows it. It is read for each "
    "notification, and may be written later.",
)
@click.option(
    "--status", type=click.IntRange(200, 599), default=200, show_default=True, help="Answer with this HTTP status."
)
@click.option("--delay", type=click.FloatRange(0, 600), default=0, help="Answer after so many seconds.")
@click.option("--json", "json_", is_flag=True, help="Print each notification as a line of JSON.")
def receive(port: int, secret: str | None, secret_file: Path | None, status: int, delay: float, json_: bool) -> None:
    """Receive notifications on this machine, and show each.

    It serves HTTPS on 127.0.0.1 with a certificate of its own, and prints the settings that the service needs to send
    to it. For trying things out: with CA_BUNDLE set so, the service trusts no other receiver.

    A notification whose signature is not genuine is answered 401. Without a secret, none is verified.
    """
    if secret and secret_file:
        raise click.UsageError("Say one of --secret and --secret-file.")
    receiver = _listen(certificate_in(_data_folder()), port)
    receiver.signing_secret = partial(_secret_in, secret_file) if secret_file else lambda: secret
    receiver.status, receiver.delay, receiver.failed = status, delay, _say_failed
    # A connection that the service keeps open must not hold up Ctrl-C.
    receiver.daemon_threads = True
    for number in (signal.SIGINT, signal.SIGTERM):
        # Also for a receiver in the background, where a shell lets SIGINT be ignored.
        signal.signal(number, signal.default_int_handler)
    with serving(receiver):
        _show_arrivals(receiver, _start(receiver, secret, secret_file), json_)


def _data_folder() -> Path:
    # No other setting is read: CA_BUNDLE may name the certificate that has yet to be made.
    return Settings.from_environment({name: text for name, text in os.environ.items() if name == _DATA_DIR}).data_dir


def _listen(certificate: Certificate, port: int) -> Receiver:
    try:
        return Receiver(certificate, port)
    except OSError as error:
        reason = f"{error.strerror}. Choose another port with --port."
        raise click.ClickException(f"Cannot listen on {LOOPBACK}, port {port}: {reason}") from None


def _secret_in(file: Path) -> str | None:
    try:
        return find_secret(file.read_text(errors="replace"))
    except FileNotFoundError:
        return None


def _start(receiver: Receiver, secret: str | None, file: Path | None) -> str:
    if secret:
        how = "Notifications are verified with the secret that you gave."
    elif file:
        how = f"Notifications are verified with the secret in {file}, as soon as it has one."
    else:
        how = "Notifications are not verified: give the signing secret with --secret-file FILE."
    return _START.format(
        url=receiver.url, prefix=PREFIX, certificate=shlex.quote(str(receiver.certificate)), secret=how
    )


def _show_arrivals(receiver: Receiver, start: str, json_: bool) -> None:
    shown = _json_line if json_ else _text
    total = verified = 0
    try:
        click.echo(start, err=json_)
        while True:
            arrival = receiver.arrivals.get()
            total += 1
            verified += arrival.fault is None
            click.echo(shown(arrival))
    except KeyboardInterrupt:
        click.echo(f"\n{total} received, {verified} verified.", err=True)


def _text(arrival: Arrival) -> str:
    verdict = f"not verified: {arrival.fault}" if arrival.fault else "verified"
    title = f"{datetime.now(UTC):%H:%M:%SZ} POST {printable(arrival.path)}  {verdict}, answered {arrival.status}"
    headers = {name: arrival.headers[name] for name in _SHOWN if name in arrival.headers}
    return "\n".join([title, *block(headers | {"body": arrival.body.decode(errors="replace")}, "  "), ""])


def _json_line(arrival: Arrival) -> str:
    return json.dumps(
        {
            "path": arrival.path,
            "headers": dict(arrival.headers),
            "body": arrival.body.decode(errors="replace"),
            "verified": arrival.fault is None,
            "fault": arrival.fault,
            "status": arrival.status,
        }
    )


def _say_failed(reason: str) -> None:
    click.echo(f"A connection failed in TLS: {reason}. Is CA_BUNDLE set as above, and the URL https?", err=True)

"""How fast one account's slow receiver is sent to, while nobody else has anything to send."""

import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import URL

from tests.receiver_process import ReceiverProcess
from tests.soak import platform
from tests.soak.installation import WEBHOOK, Installation
from tests.soak.platform import Platform
from tests.soak.report import Figure
from webhook_admin.config import Settings

LATENCIES = (300, 900, 1_100, 2_000)  # milliseconds
# The window doubles in each round trip, so it is open after less than twice its size in requests.
OPEN, MEASURED = 2, 6  # times the window
LEAST = 0.8


def run(store: URL, folder: Path, latencies: Sequence[int] = LATENCIES, least: float = LEAST) -> list[Figure]:
    """One account after the other, each with a receiver of another latency (ms); the figures.

    `least` is the part of what the window allows that is enough.
    """
    window = Settings.from_environment().lane_concurrency
    with ReceiverProcess(folder / "slow") as receiver, Installation(store, folder, receiver.ca_file) as installation:
        installation.dispatch()
        figures = [_measure(installation, receiver, latency, window, least) for latency in latencies]
        return [*figures, Figure("tracebacks in the logs", installation.tracebacks(), most=0)]


def _measure(installation: Installation, receiver: ReceiverProcess, latency: int, window: int, least: float) -> Figure:
    account, path = f"slow-{latency}", f"/slow/{latency}"
    installation.register(account, receiver.base_url + path)
    count = (OPEN + MEASURED + 2) * window
    client = Platform(installation)
    client.post([platform.event(account) for _ in range(count)])
    started = time.monotonic()
    # With a full window the last of them is sent after fewer round trips than this.
    deadline = started + 2 * (OPEN + MEASURED) * latency / 1_000 + 1
    first, last = OPEN * window, (OPEN + MEASURED) * window
    while len(times := [request.at for request in receiver.seen() if request.path == path]) <= last:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    rate = (last - first) / (times[last] - times[first]) if len(times) > last else len(times) / (deadline - started)
    # What is left must not be in the next one's way.
    installation.call("DELETE", WEBHOOK, account).raise_for_status()
    expected = window * 1_000 / latency
    return Figure(
        f"receiver of {latency:,} ms, window {window}: part of {expected:.1f}/s", rate / expected, least=least
    )

"""How the pages say times, spans, states and what came from elsewhere; as filters of the templates."""

import json
from datetime import datetime
from typing import Any

from markupsafe import Markup

from webhook_admin.printable import printable
from webhook_admin.queue.deliveries import State

_TIME = Markup('<time datetime="{}" data-format="{}">{} UTC</time>')
_STATES = {
    State.PENDING: "Waiting",
    State.DELIVERED: "Delivered",
    State.FAILED: "Failed",
    State.CANCELLED: "Cancelled",
    State.SKIPPED: "Skipped",
}
# In seconds, the longest first; each with the next smaller one.
_UNITS = (("d", 86_400, "h"), ("h", 3_600, "min"), ("min", 60, "s"), ("s", 1, ""))
_SIZES = {name: size for name, size, _ in _UNITS}


def instant(moment: datetime) -> Markup:
    """A time to the second, which the script shows in the reader's zone, too."""
    return _TIME.format(_iso(moment), "second", f"{moment:%Y-%m-%d %H:%M:%S}")


def precise(moment: datetime) -> Markup:
    """A time to the millisecond."""
    return _TIME.format(_iso(moment), "millisecond", f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1_000:03}")


def span(milliseconds: int) -> str:
    """A span of time in its two largest units."""
    if milliseconds < 1_000:
        return f"{milliseconds} ms"
    if milliseconds < 10_000:
        return f"{milliseconds / 1_000:.1f} s"
    seconds = milliseconds // 1_000
    name, size, smaller = next(unit for unit in _UNITS if seconds >= unit[1])
    count, rest = divmod(seconds, size)
    below = f" {rest // _SIZES[smaller]} {smaller}" if smaller and rest >= _SIZES[smaller] else ""
    return f"{count} {name}{below}"


def state(name: str) -> str:
    """The state in a word."""
    return _STATES[State(name)]


def shown(text: str) -> str:
    """Text of somebody else's, its lines kept, and its control characters replaced."""
    return "\n".join(map(printable, text.splitlines()))


def body(value: Any) -> str:
    """A notification's body, with line breaks for people."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


FILTERS = (instant, precise, span, state, shown, body)

"""What the demo looks like: lines of at most 80 columns, in the order in which things happen."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import click

from webhook_admin.cli.receive.server import Arrival

_SHORT = 16
# Cut behind a comma, and where there is none, anywhere.
_PIECES = re.compile(r".{1,76}$|.{1,75},|.{1,76}")


@dataclass(frozen=True, slots=True)
class Screen:
    """Prints, unless it `is_dark`."""

    is_dark: bool = False

    def title(self, text: str) -> None:
        """Begin a part of the story."""
        self.text("", click.style(text, bold=True))

    def part(self, name: str, place: str, remark: str) -> None:
        """Show something that runs."""
        self.text(f"  {name:10}  {click.style(f'{place:39}', fg='cyan')}  {remark}")

    def call(self, method: str, target: str, status: HTTPStatus, answer: str) -> None:
        """Show a call of the API, and what matters of its answer."""
        self.text(f"  {method:4} {target:29}  {_coloured(status, str(status.value))}  {answer}")

    def arrival(self, arrival: Arrival, remark: str, body: str | None = None) -> None:
        """Show a notification as the receiver got it, and what the receiver made of it; `body` stands for its body."""
        verdict = click.style("FORGED", fg="red") if arrival.fault else click.style("verified", fg="green")
        answer = _coloured(arrival.status, f"{arrival.status} {HTTPStatus(arrival.status).phrase}")
        pieces = [body] if body else _PIECES.findall(arrival.body.decode())
        self.text(
            f"    webhook-id: {click.style(arrival.id, fg='cyan')}  {remark}",
            *(f"    {click.style(piece, dim=True)}" for piece in pieces),
            f"    signature: {shorten(arrival.signature)}  {verdict}, answered {answer}",
        )

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Show rows in columns; the first is their header."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        header, *others = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        self.text(f"  {click.style(header, dim=True)}", *(f"  {line}" for line in others))

    def text(self, *lines: str) -> None:
        """Show lines as they are."""
        if not self.is_dark:
            for line in lines:
                click.echo(line)


def shorten(text: str) -> str:
    """A short text as it is; of a secret, enough to know it by and too little to use it."""
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}..."


def _coloured(status: int, text: str) -> str:
    return click.style(text, fg="green" if status < HTTPStatus.MULTIPLE_CHOICES else "red")

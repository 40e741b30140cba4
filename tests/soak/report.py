"""Figures, the bounds that they have to keep, and a table of both."""

import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import click


class Figure(NamedTuple):
    """Something that was measured, and its bounds; None for no bound."""

    name: str
    value: float
    most: float | None = None
    least: float | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the value is within its bounds."""
        return not (
            (self.most is not None and self.value > self.most) or (self.least is not None and self.value < self.least)
        )

    def __str__(self) -> str:
        promise = f"at most {self.most:,g}" if self.most is not None else ""
        promise = f"at least {self.least:,g}" if self.least is not None else promise
        number = f"{self.value:,.0f}" if self.value == int(self.value) else f"{self.value:,.3f}"
        return f"  {self.name:<58} {number:>12}  {promise:<16} {'' if self.is_kept else 'BROKEN'}".rstrip()


def broken(figures: Iterable[Figure]) -> list[str]:
    """The figures that are out of their bounds, in words."""
    return [str(figure).strip() for figure in figures if not figure.is_kept]


def show(title: str, figures: Sequence[Figure]) -> bool:
    """Print the table; whether all figures are within their bounds."""
    click.echo("\n".join([title, *map(str, figures), ""]))
    return not broken(figures)


def leave(kept: Iterable[bool]) -> None:
    """End the command, with exit status 1 unless all figures were within their bounds."""
    sys.exit(0 if all(kept) else 1)

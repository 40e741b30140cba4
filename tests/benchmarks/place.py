"""Where a scenario of the delivery benchmark takes place: one version's processes on a store of their own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from sqlalchemy import URL

from tests.benchmarks.receivers import Receiver, receiver
from tests.soak import stores
from tests.soak.installation import Installation


@dataclass(frozen=True)
class Place:
    """A running API with an empty store, a receiver, and PostgreSQL's first process if that is the store."""

    installation: Installation
    receiver: Receiver
    postmaster: psutil.Process | None

    @property
    def url(self) -> str:
        """A callback URL."""
        return self.receiver.origins()[0]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How many deliveries a figure is taken from, the length of the longest lane, and how many seconds to measure."""

    events: int
    backlog: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is measured. `run` returns the figures in words.

    `hosts` and `ports` are the receiver's, `needs_times` says that it is to know when requests came. A ceiling is of
    this checkout's code alone.
    """

    title: str
    run: Callable[[Place, Options], str]
    settings: Mapping[str, str] = field(default_factory=dict)
    hosts: int = 1
    ports: int = 1
    is_ceiling: bool = False
    needs_times: bool = False


@contextmanager
def place(kind: str, program: Sequence[str], scenario: Scenario) -> Iterator[Place]:
    """A place for the scenario. The program makes the store's schema."""
    with (
        TemporaryDirectory(prefix="benchmark-") as name,
        _store(kind, Path(name)) as (store, postmaster),
        receiver(Path(name) / "receiver", scenario.hosts, scenario.ports, needs_times=scenario.needs_times) as found,
    ):
        installation = Installation(store, Path(name), found.ca_file, program, **scenario.settings)
        installation.run("db", "upgrade")
        with installation:
            yield Place(installation, found, postmaster)


@contextmanager
def _store(kind: str, folder: Path) -> Iterator[tuple[URL, psutil.Process | None]]:
    if kind == "sqlite":
        yield stores.sqlite_url(folder), None
        return
    with stores.empty_postgresql() as server:
        number = int((server.pgdata / "postmaster.pid").read_text().split()[0])
        yield stores.url(server), psutil.Process(number)

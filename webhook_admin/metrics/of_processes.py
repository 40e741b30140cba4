"""Where the processes of one command keep their metrics, and what a scrape makes of them.

prometheus-client writes each process's metrics to files in a folder. The counters of a process that has ended stay
there, so that no sum goes back when a worker is replaced; its gauges are removed.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import Metric, multiprocess, values
from prometheus_client.registry import Collector

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_MEMORY = Path("/dev/shm")  # noqa: S108  the folder in it has a name that nobody can guess


def memory() -> Path | None:
    """A folder that is in memory, where metrics wait for no disk and a full disk stops no process; None if unknown."""
    return _MEMORY if os.access(_MEMORY, os.W_OK) else None


def keep_in(folder: str) -> None:
    """From now on keep the metrics of this process and of those that it starts in `folder`."""
    os.environ[_FOLDER] = folder
    # Chosen when the library was imported; a fork of this process does not import it again.
    values.ValueClass = values.get_value_class()


class ProcessesCollector(Collector):
    """The metrics in a folder, of all processes together."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def describe(self) -> Iterator[Metric]:
        """Nothing is known before it is measured."""
        yield from ()

    def collect(self) -> Iterable[Metric]:
        """The sums over the processes; of gauges, over those that live."""
        for file in Path(self._folder).glob("gauge_live*.db"):
            pid = int(file.stem.rpartition("_")[2])
            if not _lives(pid):
                multiprocess.mark_process_dead(pid, self._folder)
        found: Iterable[Metric] = multiprocess.MultiProcessCollector(None, self._folder).collect()
        return found


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

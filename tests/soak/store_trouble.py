"""SQLite locked by another process, and its disk full: `python -m tests.soak.store_trouble`, in the checkout's folder.

No event is acknowledged without a row, no request leaves whose attempt cannot be recorded, and the service continues
by itself once the store is back.
A full disk needs a mount namespace for a small disk; without the right to make one it is left out.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from tests.soak import namespace, outages, report, stores
from tests.soak.report import Figure

DISK = 96  # MiB: more than the 40 MB at which the write-ahead log is folded into the file, and the file itself.
# A process that holds an exclusive lock until its standard input ends.
LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


def run_locked(folder: Path, lengths: Sequence[float]) -> list[Figure]:
    """The file is locked by another process for so many seconds, once for each length; the figures."""
    store = stores.sqlite(folder)

    @contextmanager
    def locked() -> Iterator[None]:
        command = [sys.executable, "-c", LOCK, str(store.database)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "locked\n"
            yield
            # Leaving the block ends its standard input, and waits for it.

    # A lock shorter than the store's lock time-out is waited for: no call is refused.
    return outages.run(store, folder, locked, lengths, least_refused=1 if min(lengths) > outages.BACK_WITHIN else 0)


def run_full(folder: Path, lengths: Sequence[float]) -> list[Figure]:
    """The disk is full for so many seconds, once for each length; the figures. Needs a mount namespace."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "none", disk], check=True)
    store = stores.sqlite(disk)

    @contextmanager
    def full() -> Iterator[None]:
        filler = disk / "filler"
        _fill(filler)
        yield
        filler.unlink()

    try:
        return outages.run(store, folder, full, lengths)
    finally:
        subprocess.run(["umount", disk], check=True)


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4_096))
        except OSError:
            # The disk is full.
            return


@click.command()
@click.option(
    "--seconds",
    "lengths",
    type=float,
    multiple=True,
    default=(3, 30),
    help="How long the file is locked; 0 for not at all.",
)
@click.option("--full", type=float, default=10, help="How many seconds the disk is full; 0 for not at all.")
def main(lengths: Sequence[float], full: float) -> None:
    """Make the store unavailable under load, and compare the records of every event."""
    namespace.enter()
    kept = []
    for seconds in filter(None, lengths):
        with TemporaryDirectory(prefix="soak-") as name:
            kept.append(report.show(f"SQLite locked for {seconds:g} s", run_locked(Path(name), [seconds])))
    if full and namespace.is_inside():
        with TemporaryDirectory(prefix="soak-") as name:
            kept.append(report.show(f"SQLite's disk full for {full:g} s", run_full(Path(name), [full])))
    report.leave(kept)


if __name__ == "__main__":
    main()

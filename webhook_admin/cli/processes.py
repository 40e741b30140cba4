"""Child processes: those that are kept running, and ending with the parent."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Self

_LOOK_EVERY = 1.0  # seconds, at a process that should be alive


def stop_with_parent() -> None:
    """Send this process SIGTERM once its parent has ended, even by kill -9: it would keep the port or go on sending."""
    threading.Thread(target=_wait_for_parent, name="stop-with-parent", daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


class KeptRunning:
    """`target(*arguments)` in processes of its own while the context lasts; each is started again whenever it ends.

    At the end of the context all get SIGTERM at once and are waited for.
    """

    def __init__(self, target: Callable[..., None], *arguments: Any, processes: int = 1) -> None:
        self._target = target
        self._arguments = arguments
        self._closing = threading.Event()
        name = f"keep-{target.__name__}"
        self._keepers = [threading.Thread(target=self._keep, name=name, daemon=True) for _ in range(processes)]

    def __enter__(self) -> Self:
        for keeper in self._keepers:
            keeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        for keeper in self._keepers:
            keeper.join()

    def _keep(self) -> None:
        # Not a fork: it would share the connections and the threads of this process.
        spawn = multiprocessing.get_context("spawn")
        while not self._closing.is_set():
            process = spawn.Process(target=self._target, args=self._arguments)
            process.start()
            while not self._closing.wait(_LOOK_EVERY) and process.is_alive():
                pass
            process.terminate()
            process.join()

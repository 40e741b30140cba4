"""Ending a process with the one that has started it."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait


def stop_with_parent() -> None:
    """Stop this process, which would keep the port or go on sending, once its parent has ended, even by kill -9."""
    threading.Thread(target=_wait_for_parent, name="stop-with-parent", daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

"""An API that nobody can stall.

The long version, with the figures: `python -m tests.soak.stall`.
"""

import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.soak import crowd, stall
from tests.soak.report import broken
from tests.soak.stalling_clients import ATTACKS


@pytest.mark.skipif(sys.platform != "linux", reason="the stalling clients use epoll, which only Linux has")
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_nobody_can_stall_the_api(store_url: URL, tmp_path: Path) -> None:
    """Whatever clients hold on to, others are served meanwhile and afterwards, and SIGTERM ends it within 5 s."""
    assert broken(stall.run(store_url, tmp_path, 0.5, list(ATTACKS), slack=200)) == []


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_more_threads_than_connections(store_url: URL, tmp_path: Path) -> None:
    """64 threads of gunicorn answer 32 connections to events and keys: none waits for a connection in vain."""
    assert broken(crowd.run(store_url, tmp_path, 2.0)) == []

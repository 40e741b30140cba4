"""PUT and DELETE take effect at once (contract, section 1).

The long version, with the figures: `python -m tests.soak.immediate`.
"""

from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.soak import immediate, opening
from tests.soak.report import broken


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_nothing_is_started_to_an_old_url(store_url: URL, tmp_path: Path) -> None:
    """No attempt is started to the old URL after the answer to PUT or DELETE, with requests in flight and waiting."""
    assert broken(immediate.run(store_url, tmp_path, rounds=24)) == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_connection_being_opened_sends_nothing_to_an_old_url(store_url: URL, tmp_path: Path) -> None:
    """With TLS handshakes of up to 2 s: no first byte of a request comes after the answer to PUT or DELETE."""
    assert broken(opening.run(store_url, tmp_path, rounds=20)) == []

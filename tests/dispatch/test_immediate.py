"""PUT and DELETE hold from the next attempt on (contract, section 1).

The long version, with the figures: `python -m tests.soak.immediate`.
"""

from pathlib import Path

from sqlalchemy import URL

from tests.soak import immediate
from tests.soak.report import broken


def test_nothing_is_started_to_an_old_url(store_url: URL, tmp_path: Path) -> None:
    """No attempt is started to the old URL after the answer to PUT or DELETE, with requests in flight and waiting."""
    assert broken(immediate.run(store_url, tmp_path, rounds=24)) == []

"""No name leads a notification to a forbidden address: real sockets and real rebinding, in a network of their own.

The namespace is made by `unshare`; nothing in it can leave the machine. Without the rights for it, these tests skip.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
CASES = {case["id"]: case for case in json.loads((FOLDER.parent / "cases" / "urls.json").read_text())["send"]}
UNSHARE = ["unshare", "--net", "--mount"]

BLOCKED = ["blocked_address"]
EXPECTED = {
    "dns-aaaa-6to4": BLOCKED,
    "dns-aaaa-lo": BLOCKED,
    "dns-aaaa-nat64": BLOCKED,
    "dns-aaaa-ula": BLOCKED,
    "dns-bcast": BLOCKED,
    "dns-cname-meta": BLOCKED,
    "dns-hang": ["dns"],
    "dns-many": ["connect"],
    "dns-mixed": BLOCKED,
    "dns-mixed-fallback": BLOCKED,
    "dns-planted": BLOCKED * 5,
    "dns-rebind-retry": ["http_status", "blocked_address"],
    "dns-rebind-ttl0": ["delivered"],
    "dns-search": ["delivered"],
    "dns-zero": BLOCKED,
}
ANSWERS = {
    "dns-cname-meta": [["metadata.google.internal.", "169.254.169.254"]],
    "dns-hang": None,
    "dns-many": [[f"1.2.3.{number}" for number in range(1, 201)]],
}
NOT_OF_ADDRESSES = {
    "conn-reuse": "test_sender",
    "cookie": "test_sender",
    "dns-starve": "test_sender",
    "env-netrc": "test_sender",
    "leak-error": "test_sender",
    "tls-plain": "test_sender",
    "tls-untrusted": "test_sender",
    "leak-log": "the sender logs nothing",
    "dns-selfname": "the sender does not know under which names the API is reached",
}


@pytest.fixture(scope="session")
def findings() -> dict[str, Any]:
    """What came of every case, by its id."""
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no right to make a network namespace: run as root on Linux")
    cases = {case: ANSWERS.get(case, CASES[case].get("dns", [])) for case in EXPECTED}
    command = [*UNSHARE, sys.executable, "-m", "tests.sender.address_lab"]
    lab = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, timeout=60, check=False)
    assert lab.returncode == 0, lab.stderr
    found: dict[str, Any] = json.loads(lab.stdout)
    return found


@pytest.mark.parametrize("case", EXPECTED)
def test_a_name_leads_to_no_forbidden_address(findings: dict[str, Any], case: str) -> None:
    """Every shared case has its outcome, and not one connection reaches a forbidden address."""
    assert findings[case]["outcomes"] == EXPECTED[case]
    assert findings[case]["reached"] == []


def test_a_connection_would_have_been_seen(findings: dict[str, Any]) -> None:
    """The traps on the forbidden addresses do catch."""
    assert findings["control"]["reached"] == ["10.0.0.5"]


@pytest.mark.parametrize("case", ["dns-rebind-ttl0", "dns-mixed"])
def test_an_attempt_asks_once(findings: dict[str, Any], case: str) -> None:
    """The address that was judged is the address that is connected to: there is no second look-up to differ."""
    assert sorted(findings[case]["asked"]) == [f"{case}.example.com"] * 2, "A and AAAA, once each"


def test_names_are_absolute(findings: dict[str, Any]) -> None:
    """No search domain of the machine is ever tried."""
    assert set(findings["dns-search"]["asked"]) == {"db.prod"}


def test_every_shared_case_has_its_place() -> None:
    """No case of sending is forgotten: what is not of addresses is tested elsewhere, or said to be out of reach."""
    of_answers = {case for case in CASES if case.startswith(("resp-", "redir-"))}
    assert set(CASES) == set(EXPECTED) | set(NOT_OF_ADDRESSES) | of_answers

"""What goes out: the request, byte for byte, and nothing that the environment would add."""

import os
from pathlib import Path

import pytest

from tests.receiver import Receiver, answer
from tests.sender.sending import HEADERS, request, send, send_one
from webhook_admin.sender.sender import Outcome, Request


def test_nothing_is_added_to_the_headers(receiver: Receiver) -> None:
    """A request is a POST with the headers it was given, Host and Content-Length; nothing else."""
    send(receiver, request(receiver.url("/cb"), body=b'{"a": 1}'))
    sent = receiver.requests[0]
    expected = {name.lower(): value for name, value in HEADERS.items()}
    host = receiver.base_url.removeprefix("https://")
    assert (sent.method, sent.body) == ("POST", b'{"a": 1}')
    assert sent.headers == expected | {"host": host, "content-length": "8"}


@pytest.mark.parametrize("size", [0, 1, 2_000, 1_000_000])
def test_a_body_arrives_whole(receiver: Receiver, loop: str, size: int) -> None:
    """A body of any size goes out as it is, on new and on kept connections."""
    body = os.urandom(size)
    send(receiver, *[request(receiver.url("/cb"), body=body)] * 2, loop=loop)
    assert [one.body for one in receiver.requests] == [body] * 2
    assert receiver.connections == 1


TARGETS = [
    "/",
    "/a/../b//./c/",
    "/%7euser/%2F%2f/a%20b",
    "/?a=b&c=d",
    "/a?x=https://other.example/%3F",
    "/!$&'()*+,;=:@",
]


@pytest.mark.parametrize("target", TARGETS)
def test_the_path_goes_out_byte_for_byte(receiver: Receiver, target: str) -> None:
    """What a customer registered is what is asked for: nothing is normalised, decoded or encoded."""
    assert send(receiver, request(receiver.base_url + target))[0].outcome is Outcome.DELIVERED
    assert receiver.requests[0].path == target


@pytest.mark.parametrize(("tail", "target"), [("", "/"), ("?a=1", "/?a=1")])
def test_an_empty_path_is_a_slash(receiver: Receiver, tail: str, target: str) -> None:
    """HTTP needs a path even where the URL has none."""
    send(receiver, request(receiver.base_url + tail))
    assert receiver.requests[0].path == target


@pytest.mark.parametrize("header", [("X", "a\r\nY: b"), ("X", "a\nb"), ("X: y\r\nZ", "a"), ("X", "a\0b"), ("X", "ü")])
def test_a_header_cannot_be_smuggled_in(header: tuple[str, str]) -> None:
    """What would break out of a header never becomes a request."""
    with pytest.raises(ValueError, match="printable ASCII"):
        Request("https://example.com/", b"{}", dict([header]), "acme")


def test_no_cookie_comes_back(receiver: Receiver) -> None:
    """What a receiver sets is not sent again."""
    url = receiver.url("/cb", answer(200, headers={"Set-Cookie": "a=b; Path=/"}))
    send(receiver, request(url), request(url))
    assert all("cookie" not in one.headers for one in receiver.requests)


def test_the_environment_is_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither proxies nor passwords come from the environment or from the home folder."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login platform password secret\n")
    with Receiver(plain=True) as proxy:
        for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base_url.replace("https", "http"))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(netrc))
        assert send_one(receiver, answer()).outcome is Outcome.DELIVERED
        assert proxy.connections == 0
    assert "authorization" not in receiver.requests[0].headers


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    """Nothing is ever sent to where a receiver points."""
    with Receiver() as other:
        for status in (301, 302, 303, 307, 308):
            send_one(receiver, answer(status, headers={"Location": other.url("/")}))
        assert other.connections == 0
    assert len(receiver.requests) == 5

"""Answers: what each means, and how much of it is read, on both event loops (contract, section 2)."""

import time

import pytest

from tests.receiver import (
    Behaviour,
    Receiver,
    after,
    answer,
    close,
    drip,
    endless,
    hang,
    in_turn,
    one_after_another,
    raw,
    raw_then_close,
    raw_then_reset,
    reset,
)
from tests.sender.sending import BAD, OK, outcomes, request, send, send_one
from webhook_admin.sender.answer import MAX_KEPT, MAX_READ
from webhook_admin.sender.sender import Outcome

DEADLINE = 0.5
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def head(line: bytes, fields: bytes = b"Content-Length: 0\r\n") -> bytes:
    """The header section of an answer."""
    return line + b"\r\n" + fields + b"\r\n"


DELIVERED, HTTP_STATUS, PROTOCOL, TIMEOUT = Outcome.DELIVERED, Outcome.HTTP_STATUS, Outcome.PROTOCOL, Outcome.TIMEOUT
ANSWERS = {
    "200": (answer(200), DELIVERED, 200),
    "204": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), DELIVERED, 204),
    "299": (answer(299), DELIVERED, 299),
    "no-reason": (raw(head(b"HTTP/1.1 200")), DELIVERED, 200),
    "http-1.0": (raw(head(b"HTTP/1.0 200 OK")), DELIVERED, 200),
    "100-then-200": (raw(b"HTTP/1.1 100 Continue\r\n\r\n" + OK), DELIVERED, 200),
    "103-then-200": (raw(EARLY_HINTS, OK), DELIVERED, 200),
    "103-with-length-then-200": (raw(head(b"HTTP/1.1 103 X", b"Content-Length: 9\r\n") + OK), DELIVERED, 200),
    "103-then-500": (raw(EARLY_HINTS, BAD), HTTP_STATUS, 500),
    "301": (answer(301, headers={"Location": "/"}), Outcome.REDIRECT, 301),
    "302-nowhere": (answer(302), Outcome.REDIRECT, 302),
    "304": (raw(head(b"HTTP/1.1 304 Not Modified", b"Content-Length: 9\r\n")), Outcome.REDIRECT, 304),
    "308": (answer(308, headers={"Location": "/"}), Outcome.REDIRECT, 308),
    "400": (answer(400), HTTP_STATUS, 400),
    "410": (answer(410), HTTP_STATUS, 410),
    "503": (answer(503), HTTP_STATUS, 503),
    "600": (answer(600), HTTP_STATUS, 600),
    "999": (answer(999), HTTP_STATUS, 999),
    "chunked": (raw(CHUNKED + b"2\r\nok\r\n0\r\n\r\n"), DELIVERED, 200),
    "trailers": (raw(CHUNKED + b"0\r\nRetry-After: 5\r\n\r\n"), DELIVERED, 200),
    "gzip-garbage": (answer(200, b"garbage", {"Content-Encoding": "gzip"}), DELIVERED, 200),
    "204-and-a-body": (raw(head(b"HTTP/1.1 204 X", b"Content-Length: 3\r\n") + b"abc"), DELIVERED, 204),
    "endless": (endless(), DELIVERED, 200),
    "endless-chunks": (endless(CHUNKED, b"5\r\nhello\r\n" * 1_000), DELIVERED, 200),
    "endless-failure": (endless(BAD.replace(b": 0", b": 9999999999")), HTTP_STATUS, 500),
    # The end of the connection is the end of the body where no other is announced (RFC 9112, 6.3).
    "until-close": (raw_then_close(b"HTTP/1.1 200 OK\r\n\r\nok"), DELIVERED, 200),
    "until-close-http-1.0": (raw_then_close(b"HTTP/1.0 200 OK\r\n\r\nok"), DELIVERED, 200),
    "until-close-500": (raw_then_close(b"HTTP/1.1 500 Oops\r\n\r\nno"), HTTP_STATUS, 500),
    "until-close-gzip": (
        raw_then_close(head(b"HTTP/1.1 200 X", b"Transfer-Encoding: gzip\r\n") + b"x"),
        DELIVERED,
        200,
    ),
    "until-reset": (one_after_another(raw(b"HTTP/1.1 200 OK\r\n\r\nok"), after(0.1, reset)), PROTOCOL, 200),
    "reset-after-head": (raw_then_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), PROTOCOL, 200),
    "truncated": (raw_then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), PROTOCOL, 200),
    "chunks-broken-off": (raw_then_close(CHUNKED + b"5\r\nhello\r\n"), PROTOCOL, 200),
    "chunks-garbled": (raw(CHUNKED + b"zz\r\nhello"), PROTOCOL, 200),
    "head-broken-off": (raw_then_close(b"HTTP/1.1 200 OK\r\nX: "), PROTOCOL, None),
    "head-broken-off-after-line": (raw_then_close(b"HTTP/1.1 200 OK\r\nX: y\r\n"), PROTOCOL, None),
    "status-broken-off": (raw_then_close(b"HTTP/1.1 20"), PROTOCOL, None),
    "103-then-close": (raw_then_close(EARLY_HINTS), PROTOCOL, None),
    "close": (close, PROTOCOL, None),
    "reset": (reset, PROTOCOL, None),
    "101": (raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), PROTOCOL, None),
    "101-without-upgrade": (raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), PROTOCOL, None),
    "000": (raw(head(b"HTTP/1.1 000 OK")), PROTOCOL, None),
    "099": (raw(head(b"HTTP/1.1 099 OK")), PROTOCOL, None),
    "20": (raw(head(b"HTTP/1.1 20 OK")), PROTOCOL, None),
    "2000": (raw(head(b"HTTP/1.1 2000 OK")), PROTOCOL, None),
    "0200": (raw(head(b"HTTP/1.1 0200 OK")), PROTOCOL, None),
    "-200": (raw(head(b"HTTP/1.1 -200 OK")), PROTOCOL, None),
    "http-0.9": (raw_then_close(b"<html>ok</html>"), PROTOCOL, None),
    "http-0.9-line": (raw(head(b"HTTP/0.9 200 OK")), PROTOCOL, None),
    "http-2.0-line": (raw(head(b"HTTP/2.0 200 OK")), PROTOCOL, None),
    "http-1.2": (raw(head(b"HTTP/1.2 200 OK")), PROTOCOL, None),
    "rtsp": (raw(head(b"RTSP/1.0 200 OK")), PROTOCOL, None),
    "icy": (raw(head(b"ICY 200 OK")), PROTOCOL, None),
    "ssh": (raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), PROTOCOL, None),
    "line-feeds-only": (raw(OK.replace(b"\r\n", b"\n")), PROTOCOL, None),
    "folded-field": (raw(head(b"HTTP/1.1 200 OK", b"X: a\r\n b\r\nContent-Length: 0\r\n")), PROTOCOL, None),
    "two-lengths": (raw(head(b"HTTP/1.1 200 OK", b"Content-Length: 0\r\nContent-Length: 1\r\n")), PROTOCOL, None),
    "negative-length": (raw(head(b"HTTP/1.1 200 OK", b"Content-Length: -1\r\n")), PROTOCOL, None),
    "length-and-chunked": (
        raw(head(b"HTTP/1.1 200 OK", b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n") + b"0\r\n\r\n"),
        PROTOCOL,
        None,
    ),
    "huge-field": (raw(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000), PROTOCOL, None),
    "endless-fields": (endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1_000), PROTOCOL, None),
    "1xx-for-ever": (endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), PROTOCOL, None),
    "30-times-1xx": (raw(b"HTTP/1.1 102 Processing\r\n\r\n" * 30 + OK), PROTOCOL, None),
    "hang": (hang, TIMEOUT, None),
    "103-then-hang": (raw(EARLY_HINTS), TIMEOUT, None),
    "drip-status": (drip(), TIMEOUT, None),
    "drip-body": (one_after_another(raw(OK.replace(b": 0", b": 9")), drip(b"123456789", 0.1)), TIMEOUT, 200),
}


@pytest.mark.parametrize(("behaviour", "outcome", "status"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_has_its_outcome_in_time(
    receiver: Receiver, loop: str, behaviour: Behaviour, outcome: Outcome, status: int | None
) -> None:
    """Whatever a receiver does, an attempt ends within the deadline, and is delivered only by a whole 2xx answer."""
    started = time.monotonic()
    result = send_one(receiver, behaviour, request_timeout=DEADLINE, loop=loop)
    assert time.monotonic() - started < DEADLINE + 0.5
    assert (result.outcome, result.status_code) == (outcome, status)
    assert (result.detail is None, result.hint is None) == (outcome is DELIVERED,) * 2
    assert len(receiver.requests) == 1


def test_success_is_what_the_format_says(receiver: Receiver) -> None:
    """A format whose owner wants exactly 200 gets no success from 201."""
    url = receiver.url("/cb", in_turn(answer(201), answer(200)))
    results = send(receiver, *[request(url, success={200})] * 2)
    assert outcomes(results) == [(HTTP_STATUS, 201), (DELIVERED, 200)]


def test_the_time_is_told(receiver: Receiver) -> None:
    """A result says how long the request took."""
    assert 100 <= send_one(receiver, after(0.1, answer())).duration_ms < 1_000


def test_2_kib_of_the_response_are_kept(receiver: Receiver) -> None:
    """A response is kept as text, cut to 2 KiB; the connection of a moderately long one stays good."""
    results = send(receiver, *[request(receiver.url("/cb", answer(500, b"a" * 9_000)))] * 2)
    assert [result.response for result in results] == ["a" * MAX_KEPT] * 2
    assert receiver.connections == 1


def test_64_kib_of_the_response_are_read(receiver: Receiver, loop: str) -> None:
    """A response that long is an answer, and its connection is closed; the last byte below it keeps it open."""
    overhead = len(b"HTTP/1.1 200 Status\r\nContent-Length: 65000\r\n\r\n")
    sizes = [MAX_READ - overhead - 1, MAX_READ - overhead, MAX_READ]
    urls = [receiver.url(f"/{size}", answer(200, b"a" * size)) for size in sizes]
    results = send(receiver, *[request(url) for url in urls], request(urls[0]), loop=loop)
    assert outcomes(results) == [(DELIVERED, 200)] * 4
    assert [sent.connection for sent in receiver.requests] == [1, 1, 2, 3]


def test_the_response_is_text_without_nul(receiver: Receiver) -> None:
    """Bytes that are no UTF-8 are replaced and NUL is left out, so that every store can hold it."""
    assert send_one(receiver, answer(500, b"a\0b\xff\xc3\xbc\xc3")).response == "ab\ufffdü\ufffd"


def test_retry_after_comes_as_it_was_sent(receiver: Receiver) -> None:
    """The header is handed on untouched, of the final answer only: neither an interim one's nor a trailer."""
    assert send_one(receiver, answer(503, headers={"RETRY-after": "next week "})).retry_after == "next week"
    assert send_one(receiver, answer(503)).retry_after is None
    interim = raw(b"HTTP/1.1 103 Early Hints\r\nRetry-After: 5\r\n\r\n" + BAD)
    assert send_one(receiver, interim).retry_after is None
    trailer = raw(CHUNKED.replace(b"200", b"503") + b"0\r\nRetry-After: 5\r\n\r\n")
    assert send_one(receiver, trailer).retry_after is None

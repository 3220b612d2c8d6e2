"""The reply parser takes what servers send, in any pieces, and nothing out of bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.adapters.docker.http import MAX_HEAD, ReplyError, ReplyParser, ReplyTooLarge, encode_request

GOOD = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: 1\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello",
    "trailing": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 500 No\r\n\r\n",
}


@pytest.mark.parametrize("reply", GOOD.values(), ids=GOOD)
@given(size=st.integers(1, 60))
def test_a_reply_is_read_from_any_pieces(reply: bytes, size: int) -> None:
    parser = ReplyParser(5)
    for start in range(0, len(reply), size):
        parser.feed(reply[start : start + size])

    assert parser.done
    assert (parser.status, bytes(parser.body)) == (200, b"hello")


def test_a_body_may_end_with_the_connection() -> None:
    parser = ReplyParser(5)
    parser.feed(b"HTTP/1.0 200\r\n\r\nhel")
    parser.feed(b"lo")
    assert not parser.done

    parser.eof()

    assert parser.done
    assert parser.body == b"hello"


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5,
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Header: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: 1\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 300,
        b"A" * (MAX_HEAD + 5),
    ],
)
def test_what_is_no_reply_is_refused(reply: bytes) -> None:
    with pytest.raises(ReplyError):
        ReplyParser(100).feed(reply)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"32\r\n" + b"x" * 50 + b"\r\n") * 3,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101,
    ],
)
def test_a_body_above_the_limit_is_refused(reply: bytes) -> None:
    with pytest.raises(ReplyTooLarge):
        ReplyParser(100).feed(reply)


@pytest.mark.parametrize(
    "reply", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"]
)
def test_a_connection_that_ends_early_gives_no_reply(reply: bytes) -> None:
    parser = ReplyParser(100)
    parser.feed(reply)

    assert not parser.done
    assert parser.begun is bool(reply)
    with pytest.raises(ReplyError):
        parser.eof()


@given(st.binary(max_size=300))
def test_garbage_never_does_more_than_fail(garbage: bytes) -> None:
    parser = ReplyParser(100)
    try:
        parser.feed(b"HTTP/1.1 200 OK\r\n" + garbage)
    except (ReplyError, ReplyTooLarge):
        return
    assert len(parser.body) <= 100


def test_a_request_says_its_length_and_ends_its_connection() -> None:
    assert encode_request("POST", "/prove", b"{}") == (
        b"POST /prove HTTP/1.1\r\nHost: prover\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert encode_request("GET", "/manifest").endswith(b"Connection: close\r\n\r\n")

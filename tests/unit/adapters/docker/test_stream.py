"""The stream's end against relays that lie, stall and flood; each test is the relay."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gpn_desktop.adapters.docker.frames import CHUNK, Frame, Kind, encode
from gpn_desktop.adapters.docker.http import ReplyError, ReplyTooLarge
from gpn_desktop.adapters.docker.stream import LEFTOVERS, ProverGone, RelayStream, Reply, StreamLost

REQUEST = b"GET /manifest HTTP/1.1\r\n\r\n"
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def docker(payload: bytes, stream: int = 1) -> bytes:
    return struct.pack(">B3xI", stream, len(payload)) + payload


def data(payload: bytes, connection: int = 1) -> bytes:
    return docker(encode(Frame(Kind.DATA, connection, payload)))


@contextmanager
def relay(act: Callable[[socket.socket], None]) -> Iterator[RelayStream]:
    """A stream whose other end runs ``act`` once a request came."""
    ours, theirs = socket.socketpair()

    def run() -> None:
        try:
            asked = b""
            while not asked.endswith(REQUEST):  # it comes in several pieces
                piece = theirs.recv(1 << 20)
                if not piece:
                    return
                asked += piece
            act(theirs)
        except OSError:
            pass  # the stream was given up, as some tests want

    thread = threading.Thread(target=run)
    thread.start()
    stream = RelayStream(ours)
    try:
        yield stream
    finally:
        stream.abort()
        thread.join()  # what it has still to read, it reads before its end is closed
        theirs.close()


def exchange(stream: RelayStream, within: float = 10.0) -> Reply:
    return stream.exchange(REQUEST, 100, time.monotonic() + within)


def test_a_reply_comes_through_and_the_connection_is_closed() -> None:
    heard: list[bytes] = []

    def act(sock: socket.socket) -> None:
        sock.sendall(data(REPLY[:20]) + data(REPLY[20:]))
        heard.append(sock.recv(1 << 20))

    with relay(act) as stream:
        assert exchange(stream) == Reply(200, b"hello")
    assert heard == [struct.pack(">III", ord("C"), 1, 0)]


def test_leftovers_of_an_earlier_exchange_do_not_count() -> None:
    stale = data(b"HTTP/1.1 500 Stale\r\n\r\n", connection=9) + docker(encode(Frame(Kind.END, 0)))
    with relay(lambda sock: sock.sendall(stale + data(REPLY))) as stream:
        assert exchange(stream).body == b"hello"


def test_endless_leftovers_are_a_lost_stream() -> None:
    flood = data(bytes(CHUNK), connection=9)

    def act(sock: socket.socket) -> None:
        for _ in range(2 * LEFTOVERS // CHUNK):
            sock.sendall(flood)

    with relay(act) as stream, pytest.raises(StreamLost):
        exchange(stream)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (docker(encode(Frame(Kind.REFUSED, 1))), ProverGone),
        (docker(encode(Frame(Kind.END, 1))), ProverGone),
        (data(REPLY[:-1]) + docker(encode(Frame(Kind.END, 1))), ProverGone),
        (data(b"\0" * CHUNK), ReplyError),
        (data(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101), ReplyTooLarge),
        (docker(b"no relay frame"), StreamLost),
        (b"no engine frame", StreamLost),
    ],
)
def test_each_breach_has_its_error(answer: bytes, error: type[Exception]) -> None:
    with relay(lambda sock: sock.sendall(answer)) as stream, pytest.raises(error):
        exchange(stream)


@pytest.mark.parametrize(("before", "begun"), [(b"", False), (data(b"HTTP/1.1 2"), True)])
def test_a_broken_stream_tells_whether_a_reply_had_begun(before: bytes, begun: bool) -> None:
    def act(sock: socket.socket) -> None:
        sock.sendall(before + docker(b"relay: out of luck", stream=2))
        sock.close()

    with relay(act) as stream, pytest.raises(StreamLost, match="out of luck") as lost:
        exchange(stream)
    assert lost.value.begun is begun


def test_a_trickle_does_not_move_the_deadline() -> None:
    stop = threading.Event()

    def act(sock: socket.socket) -> None:
        sock.sendall(data(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"))
        while not stop.wait(0.02):
            sock.sendall(data(b" "))

    started = time.monotonic()
    with relay(act) as stream:
        with pytest.raises(TimeoutError):
            exchange(stream, within=0.3)
        stop.set()
    assert time.monotonic() - started < 5


def test_a_relay_that_reads_nothing_does_not_move_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    stream = RelayStream(ours)

    with theirs, pytest.raises(TimeoutError):
        stream.exchange(bytes(32 * 1024 * 1024), 100, time.monotonic() + 0.3)
    stream.abort()


def test_abort_ends_an_exchange_on_another_thread() -> None:
    asked, hold = threading.Event(), threading.Event()

    def act(_: socket.socket) -> None:
        asked.set()
        hold.wait(20)

    with relay(act) as stream:

        def end() -> None:
            asked.wait(20)
            stream.abort()

        ender = threading.Thread(target=end)
        ender.start()
        with pytest.raises(StreamLost):
            exchange(stream, within=20)
        hold.set()
        ender.join()

"""Bounds on one multiplexed connection, which the library's Yamux does not have.

It takes any number of streams, buffers whatever comes for a stream whether its window allows it or not, and
works through as many tiny frames as arrive. A peer that overruns a buffer or the number of streams is
disconnected; one that sends many small frames is read more slowly, which is all the harm it can then do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import trio
from libp2p.network.connection.exceptions import RawConnError
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream

from gpn_desktop.adapters.p2p.options import Limits
from gpn_desktop.adapters.p2p.standing import Buckets

log = logging.getLogger("gpn.p2p")

WINDOW: Final = 1 << 20  # bytes that a peer may send on one stream before they are read
MOST_BUFFERED: Final = 8 << 20  # bytes of all streams of a connection
PAUSE: Final = 0.05  # seconds before a peer that sends too many frames is read again
ONE: Final = b""  # the only key of a connection's own buckets

Overrun = Callable[[str], None]


def bound(muxed: Yamux, limits: Limits, overrun: Overrun, hurried: Callable[[], None]) -> None:
    """Bound a new connection. ``overrun`` is told why one is cut, ``hurried`` of each pause."""

    def cut(reason: str) -> None:
        # What reads the frames would only log the error and go on.
        muxed.event_shutting_down.set()
        overrun(reason)
        raise RawConnError(reason)

    vars(muxed)["secured_conn"] = _Metered(muxed.secured_conn, limits, hurried)
    muxed.streams = _Streams(limits, cut)
    muxed.stream_buffers = _Buffers(cut)


class _Metered:
    """The secured connection beneath a muxer, read no faster than ``frame_rate``."""

    def __init__(self, inner: Any, limits: Limits, hurried: Callable[[], None]) -> None:
        self._inner, self._hurried = inner, hurried
        self._reads = Buckets(limits.frame_rate, limits.frame_burst, trio.current_time)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def read(self, n: int | None = None) -> bytes:
        while not self._reads.take(ONE):
            self._hurried()
            await trio.sleep(PAUSE)
        data: bytes = await self._inner.read(n)
        return data


class _Streams(dict[int, YamuxStream]):
    def __init__(self, limits: Limits, cut: Overrun) -> None:
        super().__init__()
        self._limits, self._cut = limits, cut
        self._opened = Buckets(limits.open_rate, limits.open_burst, trio.current_time)

    def __setitem__(self, number: int, stream: YamuxStream) -> None:
        if not stream.is_initiator:
            if sum(not other.is_initiator for other in self.values()) >= self._limits.open_streams:
                self._cut("too many open streams")
            if not self._opened.take(ONE):
                self._cut("too many new streams")
        super().__setitem__(number, stream)


class _Buffers(dict[int, bytearray]):
    def __init__(self, cut: Overrun) -> None:
        super().__init__()
        self._cut = cut

    def __setitem__(self, number: int, buffer: bytearray) -> None:
        super().__setitem__(number, _Buffer(self))

    def check(self, size: int, more: int) -> None:
        # The library may grant a little more than the window; twice as much it never does.
        if size + more > 2 * WINDOW or sum(map(len, self.values())) + more > MOST_BUFFERED:
            self._cut("more than its windows allow")


class _Buffer(bytearray):
    def __init__(self, family: _Buffers) -> None:
        super().__init__()
        self._family = family

    def extend(self, data: Any) -> None:
        self._family.check(len(self), len(data))
        super().extend(data)

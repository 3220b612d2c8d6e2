"""Connections to peers, as the host tells of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from libp2p.abc import INetConn, INetStream, INetwork, INotifee
from libp2p.peer.id import ID
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr  # type: ignore[import-untyped]


@dataclass(slots=True)
class Link:
    """What is known of one connected peer. Written on the trio side, read by both.

    ``remote`` is its address as a multiaddress, ``host`` the same as an IP address.
    """

    peer: ID
    remote: str
    host: str
    latency_ms: float | None = None


class Watcher(INotifee):
    """Tells of connections; the rest of the library's news is of no interest."""

    def __init__(self, up: Callable[[ID, str, str], None], down: Callable[[ID], None]) -> None:
        self._up = up
        self._down = down

    async def connected(self, network: INetwork, conn: INetConn) -> None:
        addresses, muxed = conn.get_transport_addresses(), conn.muxed_conn
        assert isinstance(muxed, Yamux)
        remote = muxed.get_remote_address()
        self._up(muxed.peer_id, str(addresses[0]) if addresses else "", remote[0] if remote else "")

    async def disconnected(self, network: INetwork, conn: INetConn) -> None:
        self._down(conn.muxed_conn.peer_id)

    async def opened_stream(self, network: INetwork, stream: INetStream) -> None:
        return

    async def closed_stream(self, network: INetwork, stream: INetStream) -> None:
        return

    async def listen(self, network: INetwork, multiaddr: Multiaddr) -> None:
        return

    async def listen_close(self, network: INetwork, multiaddr: Multiaddr) -> None:
        return

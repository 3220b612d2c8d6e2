"""What an operator may choose about the peer-to-peer network, and the limits that keep it in hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds against peers that ask or say too much. Rates are per second.

    A gossip message costs a receiver about 4 ms of CPU, so ``peer_rate`` is far above what an honest peer
    relays and still below what would stall a node for long. A full message of votes costs as much as a dozen
    short ones, for its signatures: of members' 4 KB count as one message more, of strangers' statements 1 KB.
    """

    peers: int = 64  # connections
    reserved: int = 16  # of these, for connections that this node opens itself
    peer_rate: float = 200.0  # gossip messages handed over by one peer
    peer_burst: float = 2400.0
    author_rate: float = 120.0  # gossip of one author, whoever hands it over
    author_burst: float = 1200.0
    stranger_rate: float = 2.0  # gossip handed over by one peer whose authors sit in no committee
    stranger_burst: float = 60.0
    crowd_rate: float = 20.0  # statements of all strangers together
    crowd_burst: float = 200.0
    control_rate: float = 1000.0  # entries of gossip's own notes by one peer: ids, grafts, prunes, topics
    control_burst: float = 8000.0
    per_host: int = 24  # inbound connections from one IP address, or from one /64 of IPv6
    host_rate: float = 2.0  # inbound connections that one host opens
    host_burst: float = 120.0
    pending: int = 32  # inbound connections that have not said who they are yet
    frame_rate: float = 4000.0  # reads for frames of one connection; a full frame of 64 KB takes about three
    frame_burst: float = 16000.0
    open_streams: int = 128  # inbound, of one connection
    open_rate: float = 50.0  # streams opened by one connection
    open_burst: float = 200.0
    served_bytes: int = 256 << 20  # blobs in memory because somebody fetches them
    stream_rate: float = 40.0  # fetch, sync and peer requests of one peer
    stream_burst: float = 120.0
    uploads_per_peer: int = 4
    stall: float = 10.0  # seconds that one frame of a direct stream may take
    max_age: float = 60.0  # seconds a gossip message may be old
    max_skew: float = 30.0  # seconds its author's clock may be ahead
    inbox: int = 8192  # events that wait for the services


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """``port`` 0 takes a free one. Addresses are multiaddresses with a peer id at the end.

    ``announce`` are the addresses under which others reach this node, when they differ from those it listens
    on (a forwarded port, a DNS name). ``mdns``: find peers on the local network too, see ``lan``. ``book`` is
    where known peers are kept between runs. ``namespace``, ``fetch_protocol`` and ``sync_protocol`` replace
    the names that follow from the deployment.
    """

    host: str = "127.0.0.1"
    port: int = 0
    bootstrap: tuple[str, ...] = ()
    announce: tuple[str, ...] = ()
    mdns: bool = False
    book: Path | None = None
    namespace: str | None = None
    fetch_protocol: str | None = None
    sync_protocol: str | None = None
    limits: Limits = field(default_factory=Limits)
    reconnect_min: float = 1.0  # seconds
    reconnect_max: float = 60.0
    exchange_every: float = 60.0
    ping_every: float = 20.0

"""Peers about peers: who else is there, where this node listens itself, and how far away one is."""

from __future__ import annotations

import secrets
import socket
from typing import Final

import trio
from libp2p.abc import IHost
from libp2p.custom_types import TProtocol
from libp2p.io.utils import read_exactly
from libp2p.peer.id import ID

from gpn_desktop.adapters.p2p import book
from gpn_desktop.adapters.p2p.codec import parse
from gpn_desktop.adapters.p2p.frames import BadFrame, Frames
from gpn_desktop.adapters.p2p.pb import peer_pb2 as pb

MAX_CLAIMED: Final = 8
MAX_TOLD: Final = 32
MAX_BYTES: Final = 16 * 1024
PING: Final = TProtocol("/ipfs/ping/1.0.0")
PING_SECONDS: Final = 5.0
# Never contacted: connecting a datagram socket only asks the routing table which own address would be used.
FAR_AWAY: Final = ("192.0.2.1", 9)


def own_addresses(host: str, port: int, peer: str) -> tuple[str, ...]:
    """Multiaddresses of a listener; for 0.0.0.0 that of the interface with the default route."""
    if host != "0.0.0.0":
        return (f"/ip4/{host}/tcp/{port}/p2p/{peer}",)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(FAR_AWAY)
            host = str(probe.getsockname()[0])
    except OSError:
        host = "127.0.0.1"
    return (f"/ip4/{host}/tcp/{port}/p2p/{peer}",)


def belongs(address: str, peer: ID) -> bool:
    """Whether an address is well-formed and names this very peer."""
    try:
        return book.split(address)[0] == peer
    except ValueError:
        return False


async def ask(frames: Frames, own: tuple[str, ...]) -> list[str]:
    """Tell a peer where this node listens and learn of others."""
    await frames.send(pb.PeersRequest(addresses=own[:MAX_CLAIMED]).SerializeToString())
    reply = parse(pb.PeersReply, await frames.receive(MAX_BYTES), MAX_BYTES)
    if len(reply.addresses) > MAX_TOLD:
        raise BadFrame("too many addresses")
    return list(reply.addresses)


async def answer(frames: Frames, known: list[str]) -> list[str]:
    """Tell a peer of others and learn where it claims to listen."""
    request = parse(pb.PeersRequest, await frames.receive(MAX_BYTES), MAX_BYTES)
    if len(request.addresses) > MAX_CLAIMED:
        raise BadFrame("too many addresses")
    await frames.send(pb.PeersReply(addresses=known[:MAX_TOLD]).SerializeToString())
    return list(request.addresses)


async def ping(host: IHost, peer: ID) -> float:
    """The round trip to a peer in milliseconds; raises one of ``STREAM_ERRORS`` when there is none."""
    with trio.fail_after(PING_SECONDS):
        stream = await host.new_stream(peer, [PING])
        try:
            sent = secrets.token_bytes(32)
            start = trio.current_time()
            await stream.write(sent)
            if await read_exactly(stream, len(sent)) != sent:
                raise ValueError("another answer than what was sent")
            return (trio.current_time() - start) * 1000
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await stream.reset()

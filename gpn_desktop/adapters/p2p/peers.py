"""Peers about peers: who else is there, where this node listens itself, and how far away one is.

Peers are found by the bootstrap list, by this exchange with everyone connected, by the address book and,
where wanted, on the local network (``lan``). A distributed hash table was tried and left out: libp2p 0.8.1's
kad_dht on this very stack, 16 and 40 hosts in one process on two cores. It works: a newcomer with one contact
found five providers in 1.2 s, peers were found with a third of the hosts gone, garbage and a record forged
for another did no harm, and at rest a host took 1 ms of CPU per second. Against it:

- It speaks ``/ipfs/kad/1.0.0`` whatever prefix it is given. Networks could not be kept apart, testing mode
  least of all, and the public network's crawlers would be at home here.
- A lookup connects to all that it asks and stays connected. After one refresh 16 hosts had 15 connections
  each and 40 hosts 25 to 39: of 64 places few would be left for the committee. The refresh, every 10 minutes,
  took a host 0.3 s of CPU in the network of 16 and 0.6 s in that of 40.
- Providers that were gone were still given out; their records live for 48 hours.
- Until a network has many times more nodes than a node has connections, the peers know as much.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

import psutil  # type: ignore[import-untyped]
import trio
from libp2p.abc import IHost
from libp2p.custom_types import TProtocol
from libp2p.io.utils import read_exactly
from libp2p.peer.id import ID
from multiaddr import Multiaddr  # type: ignore[import-untyped]

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
FAR_AWAY: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
EVERYWHERE: Final = "::"  # of both families, as a socket that listens there usually is


def listeners(host: str, port: int) -> list[Multiaddr]:
    """Where to listen for a host of the settings; for ``::`` on all interfaces, by IPv4 and IPv6."""
    hosts = ("0.0.0.0", host) if host == EVERYWHERE else (host,)
    return [Multiaddr(f"/ip{ip_address(h).version}/{h}/tcp/{port}") for h in hosts]


def own_addresses(listening: Sequence[Multiaddr], peer: ID) -> tuple[str, ...]:
    """Multiaddresses of listeners; for all interfaces that of the one with the default route."""
    found = []
    for where in listening:
        version, host, port = str(where).split("/")[1], str(where).split("/")[2], str(where).split("/")[4]
        if ip_address(host).is_unspecified:
            host = _outward(socket.AF_INET if version == "ip4" else socket.AF_INET6)
        if host:
            found.append(f"/{version}/{host}/tcp/{port}/p2p/{peer}")
    return tuple(found)


def _outward(family: socket.AddressFamily) -> str:
    """The own address that others see, as far as this machine knows; none without IPv6.

    A local network that leads nowhere has no default route, so any address of it has to do.
    """
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((FAR_AWAY[family], 9))
            return str(probe.getsockname()[0])
    except OSError:
        entries = [e for interface in psutil.net_if_addrs().values() for e in interface]
        hosts = [ip_address(e.address.partition("%")[0]) for e in entries if e.family == family]
        near = [str(host) for host in hosts if not (host.is_loopback or host.is_link_local)]
        return next(iter(near), "127.0.0.1" if family == socket.AF_INET else "")


def announced(addresses: Sequence[str], peer: ID) -> tuple[str, ...]:
    """Addresses of the settings as others take them: with this node's peer id; other nodes' are left out."""
    whole = [address if "/p2p/" in address else f"{address}/p2p/{peer}" for address in addresses]
    return tuple(address for address in whole if belongs(address, peer))


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

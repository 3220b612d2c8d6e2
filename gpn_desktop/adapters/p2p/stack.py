"""The libp2p host of one node: Noise and Yamux over TCP, GossipSub tuned for small committees.

Only Noise is offered (the default would take plaintext), only secp256k1 identities get through it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from weakref import WeakSet

import trio
from libp2p import new_host
from libp2p.abc import IHost, IMuxedConn, IRawConnection, ISecureConn
from libp2p.crypto.secp256k1 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key
from libp2p.custom_types import THandler, TProtocol
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.trio import TrioTCPStream
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.security.noise.exceptions import NoiseFailure
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.tools.anyio_service import background_trio_service
from libp2p.transport.tcp.tcp import TCP, TCPListener
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from gpn_desktop.adapters.p2p import muxer, patches
from gpn_desktop.adapters.p2p.doors import Doors, Remote
from gpn_desktop.adapters.p2p.options import Limits
from gpn_desktop.ports.secrets import NodeKey

HEARTBEAT: Final = 1  # seconds; the library's default is 120
MAX_TOPICS_PER_PEER: Final = 400


class GatedNoise(Noise):
    """Noise that asks about the other side's identity before anything else is spoken."""

    def admit_by(self, gate: Callable[[ID, bool], bool]) -> None:
        """``gate(peer, inbound)`` says whether to go on."""
        self._gate = gate

    async def secure_inbound(self, conn: IRawConnection) -> ISecureConn:
        return await self._pass(await super().secure_inbound(conn), inbound=True)

    async def secure_outbound(self, conn: IRawConnection, peer_id: ID) -> ISecureConn:
        return await self._pass(await super().secure_outbound(conn, peer_id), inbound=False)

    async def _pass(self, secured: ISecureConn, inbound: bool) -> ISecureConn:
        if not self._gate(secured.get_remote_peer(), inbound):
            await secured.close()
            raise NoiseFailure("refused")
        return secured


class HeldTCP(TCP):
    """TCP that can let go of all its sockets at once.

    Ending the host cancels its tasks, which leaves the closing of sockets to the garbage collector: peers
    would believe for minutes that this node is still there.
    """

    def __init__(self, doors: Doors) -> None:
        super().__init__()
        self._doors = doors
        self._streams: WeakSet[TrioTCPStream] = WeakSet()
        self._listeners: list[TCPListener] = []

    async def dial(self, maddr: Multiaddr) -> IRawConnection:
        connection = await super().dial(maddr)
        if isinstance(connection, RawConnection) and isinstance(connection.stream, TrioTCPStream):
            self._streams.add(connection.stream)
        return connection

    def create_listener(self, handler_function: THandler) -> TCPListener:
        async def held(stream: ReadWriteCloser) -> None:
            assert isinstance(stream, TrioTCPStream)
            await self._hold(_Inbound(stream.stream), handler_function)

        listener = super().create_listener(held)
        self._listeners.append(listener)
        return listener

    async def _hold(self, stream: _Inbound, handle: THandler) -> None:
        """Have a connection handled for as long as it is open, if its host may come in.

        The library's handler never returns by itself, and keeps one of its places for connections until it
        does: after as many connections as it has places it would take no more.
        """
        remote = stream.get_remote_address()
        if remote is None:
            return
        async with trio.open_nursery() as nursery:
            if not self._doors.enter(remote, nursery.cancel_scope.cancel):
                return
            try:
                self._streams.add(stream)
                nursery.start_soon(handle, stream)
                await stream.closed.wait()
                nursery.cancel_scope.cancel()
            finally:
                self._doors.leave(remote)

    def cut(self, remote: Remote) -> None:
        """Close the socket of one connection, whatever is being written to it."""
        for stream in list(self._streams):
            if stream.get_remote_address() == remote:
                stream.stream.socket.close()

    def abandon(self) -> None:
        """Close every socket from outside of trio."""
        for stream in list(self._streams):
            _close(stream.stream.socket)
        for listener in self._listeners:
            for open_one in listener.listeners:
                _close(open_one.socket)

    async def let_go(self) -> None:
        """Close every socket, cancelled or not."""
        for stream in list(self._streams):
            stream.stream.socket.close()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
            for listener in self._listeners:
                await listener.close()


class _Inbound(TrioTCPStream):
    """Says when it is closed."""

    def __init__(self, stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self.closed = trio.Event()

    async def close(self) -> None:
        self.closed.set()
        await super().close()


def _close(socket: trio.socket.SocketType) -> None:
    if (number := socket.detach()) >= 0:
        os.close(number)


@dataclass(frozen=True, slots=True)
class Stack:
    """A running host with its gossip."""

    host: IHost
    swarm: Swarm
    pubsub: Pubsub
    router: GossipSub
    tcp: HeldTCP

    def connected(self, peer: ID) -> bool:
        return bool(self.swarm.get_connections(peer))

    async def cut(self, peer: ID, patience: float) -> None:
        """End all connections with a peer, by force if they do not end in time: it may read nothing."""
        muxed: list[Any] = [connection.muxed_conn for connection in self.swarm.get_connections(peer)]
        remotes = [one.get_remote_address() for one in muxed]
        with trio.move_on_after(patience):
            await self.swarm.close_peer(peer)
            return
        for remote in remotes:
            if remote is not None:
                self.tcp.cut(remote)

    def abandon(self) -> None:
        """End what can be ended where trio, which would do it in order, has ended."""
        self.tcp.abandon()
        self.pubsub.seen_messages.stop()


@dataclass(frozen=True, slots=True)
class Gates:
    """Who may connect, and what becomes of those who do not keep within the bounds of a connection.

    ``admit(peer, inbound)`` is asked for each identity that is proven; ``overrun`` is told of a peer that was
    cut and why, ``hurried`` of one that is read more slowly.
    """

    doors: Doors
    admit: Callable[[ID, bool], bool]
    overrun: Callable[[ID, str], None]
    hurried: Callable[[ID], None]


def build(key: NodeKey, limits: Limits, gates: Gates) -> Stack:
    """A host that does not run yet."""
    pair = create_new_key_pair(key.secret)
    noise = GatedNoise(pair, noise_privkey=create_noise_key().private_key)
    noise.admit_by(gates.admit)
    tcp = HeldTCP(gates.doors)
    host = new_host(
        transports=[tcp],
        key_pair=pair,
        sec_opt={TProtocol(NOISE): noise},
        # Yamux alone: the other muxer would be a second way in, past the bounds on the first.
        muxer_opt={TProtocol(YAMUX): Yamux},
        connection_config=_connections(limits),
        disable_identify_address_discovery=True,
    )
    swarm = host.get_network()
    assert isinstance(swarm, Swarm)
    swarm.retry_config = RetryConfig(max_retries=0)
    _bound_connections(swarm, limits, gates)
    router = _router()
    pubsub = Pubsub(
        host,
        router,
        strict_signing=True,
        max_inbound_rpc_size=patches.MAX_RPC_BYTES,
        max_subscriptions_per_rpc=MAX_TOPICS_PER_PEER,
        max_subscriptions_per_peer=MAX_TOPICS_PER_PEER,
    )
    return Stack(host, swarm, pubsub, router, tcp)


def _bound_connections(swarm: Swarm, limits: Limits, gates: Gates) -> None:
    choice = swarm.upgrader.muxer_multistream
    connect = choice.new_conn

    async def bounded(conn: ISecureConn, peer: ID) -> IMuxedConn:
        muxed = await connect(conn, peer)
        assert isinstance(muxed, Yamux)
        muxer.bound(muxed, limits, partial(gates.overrun, peer), partial(gates.hurried, peer))
        remote = conn.get_remote_address()
        if remote is not None:
            gates.doors.settled(remote)
        return muxed

    vars(choice)["new_conn"] = bounded


def _connections(limits: Limits) -> ConnectionConfig:
    return ConnectionConfig(
        max_connections=limits.peers,
        # The node keeps its own connections; the library's helper took 57 s to dial a lost peer again.
        min_connections=0,
        low_watermark=0,
        high_watermark=limits.peers,
        max_connections_per_peer=2,
        dial_timeout=5.0,
        inbound_upgrade_timeout=5.0,
        outbound_upgrade_timeout=5.0,
    )


def _router() -> GossipSub:
    return GossipSub(
        # 1.2 costs twice the CPU of 1.1 for what IDONTWANT saves on messages this small.
        protocols=[PROTOCOL_ID_V11],
        degree=6,
        degree_low=4,
        degree_high=12,
        heartbeat_interval=HEARTBEAT,
        adaptive_gossip_enabled=False,
        # Its 10 messages per second and topic throttle the node itself; the guards have their own rates.
        spam_protection_enabled=False,
        eclipse_protection_enabled=False,
        max_pending_messages_per_peer=32,
        prune_back_off=10,
        # A member in back-off is not even told of messages, so keep it short.
        unsubscribe_back_off=1,
    )


@asynccontextmanager
async def running(stack: Stack, listen: Sequence[Multiaddr]) -> AsyncIterator[None]:
    """Listen and gossip until the block ends."""
    try:
        async with (
            stack.host.run(listen),
            background_trio_service(stack.pubsub),
            background_trio_service(stack.router),
        ):
            await stack.pubsub.wait_until_ready()
            try:
                yield
            finally:
                await stack.tcp.let_go()
    finally:
        # The library starts a thread for its cache of seen messages and never ends it.
        stack.pubsub.seen_messages.stop()

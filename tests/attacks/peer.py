"""A hostile peer of its own: proper identities as many as it likes, and no manners. Runs under trio."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.pb import rpc_pb2
from libp2p.utils.varint import encode_varint_prefixed
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from gpn_desktop.adapters.p2p import codec, patches
from gpn_desktop.adapters.p2p.doors import Doors
from gpn_desktop.adapters.p2p.frames import Frames
from gpn_desktop.adapters.p2p.options import Limits
from gpn_desktop.adapters.p2p.stack import Gates, Stack, build, running
from gpn_desktop.adapters.p2p.tally import Tally
from gpn_desktop.adapters.p2p.topics import Kind, Names
from gpn_desktop.core.eip712 import address_of_secret, keccak
from gpn_desktop.core.messages import DeclineMessage, PeerMessage, Signed
from gpn_desktop.core.types import Address, Decline, Domain, Hash32
from gpn_desktop.ports.secrets import NodeKey

MESHSUB = "/meshsub/1.1.0"
came_in: Counter[str] = Counter()
"""Connections that this process has had, by victim: an attack that never got one has shown nothing."""
BOUNDLESS = Limits(peers=1000, reserved=0, open_streams=10**6, open_rate=1e9, open_burst=1e9, frame_rate=1e9)


@dataclass(frozen=True)
class Target:
    """What an attacker has to know. ``source`` is the loopback address that it comes from."""

    address: str  # multiaddress of the victim
    chain_id: int
    contract: str
    consumer: str
    source: str
    bystander: int = 0  # a port of ``source`` where somebody counts who calls
    blob: str = ""  # hash of something large that the victim serves

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @property
    def domain(self) -> Domain:
        return Domain(self.chain_id, Address(bytes.fromhex(self.contract)))

    @property
    def names(self) -> Names:
        return Names(self.domain)

    @property
    def who(self) -> Address:
        return Address(bytes.fromhex(self.consumer))

    @property
    def host(self) -> str:
        return self.address.split("/")[2]

    @property
    def port(self) -> int:
        return int(self.address.split("/")[4])

    @property
    def peer(self) -> ID:
        return info_from_p2p_addr(Multiaddr(self.address)).peer_id

    def topic(self, kind: Kind) -> str:
        return self.names.topic(kind, None if kind is Kind.STATUS else self.who)

    async def dial(self) -> trio.SocketStream:
        """A bare connection."""
        stream = await trio.open_tcp_stream(self.host, self.port, local_address=self.source)
        came_in[self.address] += 1
        return stream


class Hostile:
    """One identity and its connection to the victim."""

    def __init__(self, target: Target, stack: Stack, key: NodeKey) -> None:
        self.target, self.stack, self.key = target, stack, key
        self._number = time.time_ns()
        self._gossip: INetStream | None = None

    # wires ------------------------------------------------------------------------------------------------

    @property
    def muxed(self) -> Any:
        return self.stack.swarm.get_connections(self.target.peer)[0].muxed_conn

    @property
    def cut_off(self) -> bool:
        return not self.stack.connected(self.target.peer)

    async def stream(self, protocol: str) -> INetStream:
        return await self.stack.host.new_stream(self.target.peer, [TProtocol(protocol)])

    async def frames(self, protocol: str) -> Frames:
        return Frames(await self.stream(protocol), 10)

    def answer(self, protocol: str, serve: Callable[[Frames], Any]) -> None:
        """What the victim gets that asks on a protocol."""

        async def handler(stream: INetStream) -> None:
            await serve(Frames(stream, 10))

        self.stack.host.set_stream_handler(TProtocol(protocol), handler)

    async def rpc(self, rpc: rpc_pb2.RPC) -> None:
        await self.raw_rpc(encode_varint_prefixed(rpc.SerializeToString()))

    async def raw_rpc(self, data: bytes) -> None:
        if self._gossip is None:
            self._gossip = await self.stream(MESHSUB)
        await self._gossip.write(data)

    # words ------------------------------------------------------------------------------------------------

    def decline(self, about: str, consumer: Address | None = None) -> DeclineMessage:
        said = Decline(Hash32(keccak(about.encode())), self.key.address)
        signed = Signed[Decline].sign(said, self.key.secret, self.key.address, self.target.domain)
        return DeclineMessage(consumer or self.target.who, signed, "full")

    def envelope(self, message: PeerMessage, age: float = 0.0) -> bytes:
        return codec.envelope(message, int((time.time() - age) * 1000)).SerializeToString()

    def signed(self, data: bytes, topic: str | None = None) -> rpc_pb2.Message:
        self._number += 1
        message = rpc_pb2.Message(
            data=data,
            topicIDs=[topic or self.target.topic(Kind.PROOFS)],
            from_id=self.stack.host.get_id().to_bytes(),
            seqno=self._number.to_bytes(8, "big"),
        )
        return self.resigned(message)

    def resigned(self, message: rpc_pb2.Message) -> rpc_pb2.Message:
        message.ClearField("signature")
        message.ClearField("key")
        pubsub = self.stack.pubsub
        assert pubsub.sign_key is not None
        message.signature = pubsub.sign_key.sign(b"libp2p-pubsub:" + message.SerializeToString())
        message.key = self.stack.host.get_public_key().serialize()
        return message


@asynccontextmanager
async def hostile(target: Target, prepare: Callable[[Hostile], None] | None = None) -> AsyncIterator[Hostile]:
    """A connected peer with a fresh key. ``prepare`` is called before it connects."""
    patches.apply()
    secret = os.urandom(32)
    key = NodeKey(address_of_secret(secret), secret)
    doors = Doors(BOUNDLESS, Tally())
    stack = build(key, BOUNDLESS, Gates(doors, lambda peer, inbound: True, lambda peer, why: None, _ignore))
    async with running(stack, [Multiaddr(f"/ip4/{target.source}/tcp/0")]):
        made = Hostile(target, stack, key)
        if prepare is not None:
            prepare(made)
        await stack.host.connect(info_from_p2p_addr(Multiaddr(target.address)))
        came_in[target.address] += 1
        yield made


def _ignore(peer: ID) -> None:
    return


def come_from(source: str) -> None:
    """Have this process dial from a loopback address of its own, so that the victim sees another host."""
    vars(trio)["open_tcp_stream"] = partial(trio.open_tcp_stream, local_address=source)

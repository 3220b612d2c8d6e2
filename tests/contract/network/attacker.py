"""A peer with a proper identity and no manners: it speaks to a victim below the level of its own adapter."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.utils.varint import encode_varint_prefixed

from gpn_desktop.adapters.p2p import codec
from gpn_desktop.adapters.p2p.engine import Engine
from gpn_desktop.adapters.p2p.identity import peer_of_secret
from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.adapters.p2p.stack import Stack
from gpn_desktop.adapters.p2p.topics import Kind, Names
from gpn_desktop.core.messages import PeerMessage
from tests.contract.network.world import CONSUMER, DOMAIN, Node

T = TypeVar("T")

MESHSUB = "/meshsub/1.1.0"
NAMES = Names(DOMAIN)


def engine_of(node: Node) -> Engine:
    assert isinstance(node.network, LibP2PNetwork)
    return node.network._engine


class Attacker:
    def __init__(self, node: Node, victim: Node) -> None:
        self.node, self.victim = node, victim
        self._peer: ID = peer_of_secret(victim.key.secret)
        self._number = time.time_ns()

    @property
    def stack(self) -> Stack:
        stack = engine_of(self.node).stack
        assert stack is not None
        return stack

    async def on_trio(self, work: Callable[[], Awaitable[T]]) -> T:
        assert isinstance(self.node.network, LibP2PNetwork)
        return await self.node.network._thread.call(work)

    async def send(self, protocol: str, data: bytes, answer: bool = False) -> bytes:
        """Open a stream, write raw bytes, and wait for the first bytes or the end if asked to."""

        async def work() -> bytes:
            try:
                stream: INetStream = await self.stack.host.new_stream(self._peer, [TProtocol(protocol)])
                await stream.write(data)
                return await stream.read(65536) if answer else b""
            except Exception:  # noqa: BLE001 - being thrown out is an answer too
                return b""

        return await self.on_trio(work)

    async def rpc(self, *rpcs: Message) -> None:
        await self.send(MESHSUB, b"".join(encode_varint_prefixed(rpc.SerializeToString()) for rpc in rpcs))

    def handed_over(self) -> list[rpc_pb2.Message]:
        """The gossip that the victim sends to the attacker from now on."""
        heard: list[rpc_pb2.Message] = []
        take = self.stack.pubsub.push_msg

        async def noted(forwarder: ID, message: rpc_pb2.Message) -> None:
            heard.append(message)
            await take(forwarder, message)

        vars(self.stack.pubsub)["push_msg"] = noted
        return heard

    def envelope(self, message: PeerMessage, age: float = 0.0) -> bytes:
        return codec.envelope(message, int((time.time() - age) * 1000)).SerializeToString()

    def signed(self, data: bytes, topic: str | None = None) -> rpc_pb2.Message:
        """A gossip message with a good libp2p signature of the attacker."""
        pubsub = self.stack.pubsub
        self._number += 1
        message = rpc_pb2.Message(
            data=data,
            topicIDs=[topic or NAMES.topic(Kind.PROOFS, CONSUMER)],
            from_id=self.stack.host.get_id().to_bytes(),
            seqno=self._number.to_bytes(8, "big"),
        )
        assert pubsub.sign_key is not None
        message.signature = pubsub.sign_key.sign(b"libp2p-pubsub:" + message.SerializeToString())
        message.key = self.stack.host.get_public_key().serialize()
        return message

    async def gossip(self, *messages: rpc_pb2.Message) -> None:
        await self.rpc(rpc_pb2.RPC(publish=messages))

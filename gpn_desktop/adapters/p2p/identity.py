"""One key, two names: the libp2p peer id and the Ethereum address of a secp256k1 node key.

A peer id contains the whole public key, so its address follows from it. An address is a hash, so the way
back needs a peer id that was seen: the roster remembers them.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from coincurve import PublicKey
from libp2p.peer.id import ID

from gpn_desktop.core.eip712 import address_of
from gpn_desktop.core.types import Address

# identity multihash of 37 bytes: protobuf {type: Secp256k1, data: 33 bytes}
PREFIX: Final = bytes.fromhex("002508021221")
LENGTH: Final = len(PREFIX) + 33
MAX_REMEMBERED: Final = 4096


class ForeignKey(ValueError):
    """The peer id is not that of a secp256k1 key."""


def is_node_id(raw: bytes) -> bool:
    """Whether the bytes look like a node's peer id; cheap, the point is not checked."""
    return len(raw) == LENGTH and raw.startswith(PREFIX)


def address_of_peer(raw: bytes) -> Address:
    """The Ethereum address of a raw peer id; ForeignKey when it has another key type or no valid point."""
    if not is_node_id(raw):
        raise ForeignKey("not a secp256k1 peer id")
    try:
        point = PublicKey(raw[len(PREFIX) :]).format(compressed=False)
    except ValueError as error:
        raise ForeignKey("not a point of the curve") from error
    return address_of(point)


def peer_of_secret(secret: bytes) -> ID:
    """The peer id of a 32-byte node key."""
    return ID(PREFIX + PublicKey.from_valid_secret(secret).format(compressed=True))


class Roster:
    """Peer ids by address, of the peers met most recently."""

    def __init__(self) -> None:
        self._addresses: OrderedDict[bytes, Address] = OrderedDict()
        self._peers: dict[Address, ID] = {}

    def address(self, peer: ID) -> Address:
        """The address of a peer id, remembered; ForeignKey as ``address_of_peer``."""
        raw = peer.to_bytes()
        known = self._addresses.get(raw)
        if known is not None:
            self._addresses.move_to_end(raw)
            return known
        address = address_of_peer(raw)
        self._addresses[raw] = address
        self._peers[address] = ID(raw)
        if len(self._addresses) > MAX_REMEMBERED:
            _, oldest = self._addresses.popitem(last=False)
            self._peers.pop(oldest, None)
        return address

    def look(self, raw: bytes) -> Address:
        """The address of a raw peer id that nobody has proven yet, so it is not remembered; ForeignKey."""
        known = self._addresses.get(raw)
        return known if known is not None else address_of_peer(raw)

    def peer(self, address: Address) -> ID | None:
        return self._peers.get(address)

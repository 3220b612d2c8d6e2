"""The domain's vocabulary (protocol.md, Terms), as frozen values.

Addresses and hashes are raw bytes everywhere inside; text forms exist only at the edges.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag
from functools import cached_property
from typing import NewType

Address = NewType("Address", bytes)  # 20 bytes
Hash32 = NewType("Hash32", bytes)  # 32 bytes: keccak-256 unless stated otherwise
Signature = NewType("Signature", bytes)  # 65 bytes r ‖ s ‖ v with v in {27, 28} and low s
Gwei = NewType("Gwei", int)  # rewards and consumer balances: the contract counts in gwei
Wei = NewType("Wei", int)  # transfers, gas and stakes
Millis = NewType("Millis", int)  # chain time in milliseconds since the Unix epoch

WEI_PER_GWEI = 10**9
ZERO_ADDRESS = Address(bytes(20))
ZERO_HASH = Hash32(bytes(32))


def to_wei(amount: Gwei) -> Wei:
    return Wei(amount * WEI_PER_GWEI)


def hex0x(value: bytes) -> str:
    """The value as lower-case hex with its 0x prefix."""
    return "0x" + value.hex()


def short(value: bytes) -> str:
    """A value shortened in the middle for people: ``0x8f1c…a2e4``."""
    text = value.hex()
    return f"0x{text[:4]}…{text[-4:]}"


def parse_address(text: str) -> Address:
    """An address from its hex form, with or without 0x; ValueError unless it is 20 bytes."""
    return Address(_parse(text, 20))


def parse_hash(text: str) -> Hash32:
    """A 32-byte value from its hex form, with or without 0x; ValueError otherwise."""
    return Hash32(_parse(text, 32))


def _parse(text: str, size: int) -> bytes:
    raw = bytes.fromhex(text.removeprefix("0x"))
    if len(raw) != size:
        raise ValueError(f"expected {size} bytes, got {len(raw)}")
    return raw


class Role(IntFlag):
    """What a committee member offers; the numbers are the contract's."""

    PROVE = 1
    VERIFY = 2


@dataclass(frozen=True, slots=True)
class Seat:
    """One member of a committee snapshot. ``weight`` is clamp(stake / minStake, 1, 16)."""

    address: Address
    member_id: int
    roles: Role
    weight: int


@dataclass(frozen=True)
class Snapshot:
    """A consumer's numbered, immutable committee: 2 to 32 seats, in seat order."""

    consumer: Address
    snapshot_id: int
    image_digest: Hash32
    seats: tuple[Seat, ...]

    @cached_property
    def members(self) -> dict[Address, int]:
        """Seat number by address."""
        return {seat.address: number for number, seat in enumerate(self.seats)}

    @cached_property
    def _others(self) -> dict[Address, frozenset[Address]]:
        """V by prover: asked for with every vote."""
        return {a: self._verifying - {a} for a in self.members}

    @cached_property
    def _verifying(self) -> frozenset[Address]:
        return frozenset(seat.address for seat in self.seats if seat.roles & Role.VERIFY)

    def verifiers(self, prover: Address) -> frozenset[Address]:
        """V: the committee without the prover, those with the VERIFY role."""
        return self._others.get(prover, self._verifying)


@dataclass(frozen=True, slots=True)
class Details:
    """What a request carries besides what the contract needs to see (``detailsHash`` covers it)."""

    proving_timeout: int  # seconds of one prover's turn
    image_digest: Hash32  # sha256 of the image's manifest
    anchor_block: int
    ref: str  # the client's own request id, at most 128 characters


@dataclass(frozen=True, slots=True)
class Request:
    """A consumer's order for one proof; its EIP-712 digest is the request id."""

    consumer: Address
    nonce: int
    reward: Gwei
    deadline: int  # Unix seconds
    quorum: int
    snapshot_id: int
    payload_hash: Hash32  # keccak-256 of the payload
    details: Details


@dataclass(frozen=True, slots=True)
class Announcement:
    """A prover's signed claim to have a proof. ``size`` is the proof's, in bytes."""

    request_id: Hash32
    prover: Address
    attempt: int
    proof_hash: Hash32
    size: int
    seed: Hash32


@dataclass(frozen=True, slots=True)
class Vote:
    """A verifier's verdict on one announced proof (who signed it stands beside it, not in it)."""

    request_id: Hash32
    prover: Address
    proof_hash: Hash32
    attempt: int
    valid: bool


@dataclass(frozen=True, slots=True)
class Decline:
    """A prover's signed word that it will not use its turn."""

    request_id: Hash32
    prover: Address


@dataclass(frozen=True, slots=True)
class Cancel:
    """A consumer's signed withdrawal of a request; counts only before t₀."""

    request_id: Hash32


@dataclass(frozen=True, slots=True)
class Canary:
    """A consumer's word that it asked this prover for a false proof of this request, to see who checks."""

    request_id: Hash32
    prover: Address


@dataclass(frozen=True, slots=True)
class BatchVote:
    """One signature of a verifier under an ordered list of valid-vote digests of its own journal."""

    vote_digests: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class Domain:
    """The EIP-712 domain: which deployment a signature is for.

    Testing mode has a name of its own, chain id 0 and no contract, so that nothing signed there is valid
    anywhere else.
    """

    chain_id: int
    contract: Address
    name: str = "GPN"
    version: str = field(default="1")


TESTING_DOMAIN = Domain(chain_id=0, contract=ZERO_ADDRESS, name="GPN-testing")

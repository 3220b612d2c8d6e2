"""EIP-712 digests and signatures: one encoding for the peers and the contract alike.

The type strings here are those of ``contracts/src``; ``proto/vectors/eip712.json`` pins every digest, and the
contract's tests check the same file.
"""

from __future__ import annotations

from typing import Final

from coincurve import PrivateKey, PublicKey
from eth_hash.auto import keccak as _keccak

from gpn_desktop.core.types import (
    Address,
    Announcement,
    BatchVote,
    Canary,
    Cancel,
    Decline,
    Details,
    Domain,
    Hash32,
    Request,
    Signature,
    Vote,
)

Signable = Request | Announcement | Vote | Decline | Cancel | BatchVote | Canary

HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class BadSignature(ValueError):
    """The bytes are no acceptable signature: wrong length, high s, bad recovery id, or off the curve."""


def keccak(*parts: bytes) -> Hash32:
    """keccak-256 of the parts put together."""
    return Hash32(_keccak(b"".join(parts)))


def _type(text: str) -> bytes:
    return _keccak(text.encode())


DOMAIN_TYPE: Final = _type(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
DETAILS_TYPE: Final = _type(
    "Details(uint32 provingTimeout,bytes32 imageDigest,uint64 anchorBlock,string ref)"
)
REQUEST_TYPE: Final = _type(
    "Request(address consumer,uint64 nonce,uint64 rewardGwei,uint64 deadline,uint8 quorum,"
    "uint64 snapshotId,bytes32 payloadHash,bytes32 detailsHash)"
)
ANNOUNCEMENT_TYPE: Final = _type(
    "Announcement(bytes32 requestId,address prover,uint8 attempt,bytes32 proofHash,uint64 size,bytes32 seed)"
)
VOTE_TYPE: Final = _type("Vote(bytes32 requestId,address prover,bytes32 proofHash,uint8 attempt,bool valid)")
BATCH_VOTE_TYPE: Final = _type("BatchVote(bytes32[] votes)")
DECLINE_TYPE: Final = _type("Decline(bytes32 requestId,address prover)")
CANCEL_TYPE: Final = _type("Cancel(bytes32 requestId)")
CANARY_TYPE: Final = _type("Canary(bytes32 requestId,address prover)")


def _uint(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _address(value: Address) -> bytes:
    return bytes(12) + value


def domain_separator(domain: Domain) -> Hash32:
    """The 32-byte separator of EIP-712, with all four of its usual fields."""
    return keccak(
        DOMAIN_TYPE,
        _keccak(domain.name.encode()),
        _keccak(domain.version.encode()),
        _uint(domain.chain_id),
        _address(domain.contract),
    )


def details_hash(d: Details) -> Hash32:
    """hashStruct of the details; a request carries it in place of them."""
    return keccak(
        DETAILS_TYPE, _uint(d.proving_timeout), d.image_digest, _uint(d.anchor_block), _keccak(d.ref.encode())
    )


def struct_hash(message: Signable) -> Hash32:
    """hashStruct of a message, 32 bytes."""
    match message:
        case Request() as r:
            numbers = (_uint(n) for n in (r.nonce, r.reward, r.deadline, r.quorum, r.snapshot_id))
            return keccak(
                REQUEST_TYPE, _address(r.consumer), *numbers, r.payload_hash, details_hash(r.details)
            )
        case Vote(request_id, prover, proof_hash, attempt, valid):
            return keccak(
                VOTE_TYPE, request_id, _address(prover), proof_hash, _uint(attempt), _uint(int(valid))
            )
        case Announcement(request_id, prover, attempt, proof_hash, size, seed):
            return keccak(
                ANNOUNCEMENT_TYPE, request_id, _address(prover), _uint(attempt), proof_hash, _uint(size), seed
            )
        case Decline(request_id, prover):
            return keccak(DECLINE_TYPE, request_id, _address(prover))
        case Cancel(request_id):
            return keccak(CANCEL_TYPE, request_id)
        case Canary(request_id, prover):
            return keccak(CANARY_TYPE, request_id, _address(prover))
        case BatchVote(vote_digests):
            return keccak(BATCH_VOTE_TYPE, keccak(*vote_digests))


def digest(message: Signable, domain: Domain) -> Hash32:
    """What is signed: keccak(0x1901 ‖ domain separator ‖ hashStruct)."""
    return keccak(b"\x19\x01", domain_separator(domain), struct_hash(message))


def sign_digest(hash32: Hash32, secret: bytes) -> Signature:
    """A 65-byte r ‖ s ‖ v signature with low s (RFC 6979, so the same input gives the same bytes)."""
    raw = PrivateKey(secret).sign_recoverable(hash32, hasher=None)
    return Signature(raw[:64] + bytes([27 + raw[64]]))


def recover(hash32: Hash32, signature: bytes) -> Address:
    """The signer's address.

    Raises:
        BadSignature: the contract would refuse it too (wrong length, high s, v not 27 or 28).
    """
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise BadSignature("a signature is 65 bytes and ends with 27 or 28")
    if int.from_bytes(signature[32:64], "big") > HALF_ORDER:
        raise BadSignature("the signature's s is in the upper half of the order")
    try:
        key = PublicKey.from_signature_and_message(
            signature[:64] + bytes([signature[64] - 27]), hash32, hasher=None
        )
    except ValueError as error:  # coincurve: no such point
        raise BadSignature(str(error)) from error
    return address_of(key.format(compressed=False))


def address_of(public_key: bytes) -> Address:
    """The Ethereum address of an uncompressed 65-byte public key."""
    return Address(_keccak(public_key[1:])[12:])


def address_of_secret(secret: bytes) -> Address:
    """The Ethereum address of a 32-byte private key."""
    return address_of(PrivateKey(secret).public_key.format(compressed=False))

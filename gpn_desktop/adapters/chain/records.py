"""Packed records of a settlement, as its event carries them and the contract wants them back.

128 bytes each: request id 32 | vote digest 32 | consumer 20, reward in gwei 8, counted seats 4 | snapshot 8,
zeros 21, tipped seat + 1 (0 none) 1, quorum 1, prover's seat 1.
"""

from __future__ import annotations

from typing import Final

from gpn_desktop.core.types import Address, Gwei, Hash32
from gpn_desktop.ports.chain import SettlementRecord

RECORD_BYTES: Final = 128


def pack(record: SettlementRecord, quorum: int) -> bytes:
    """The 128 bytes of one record; its ``raw`` is not looked at."""
    tipped = 0 if record.tipped_seat is None else record.tipped_seat + 1
    return b"".join(
        (
            record.request_id,
            record.vote_digest,
            record.consumer,
            record.reward.to_bytes(8, "big"),
            record.counted.to_bytes(4, "big"),
            record.snapshot_id.to_bytes(8, "big"),
            bytes(21),
            bytes([tipped, quorum, record.prover_seat]),
        )
    )


def unpack(records: bytes) -> tuple[SettlementRecord, ...]:
    """All records of a batch; ValueError unless the length fits."""
    if len(records) % RECORD_BYTES:
        raise ValueError(f"{len(records)} bytes are no whole records")
    return tuple(_unpack(records[at : at + RECORD_BYTES]) for at in range(0, len(records), RECORD_BYTES))


def _unpack(raw: bytes) -> SettlementRecord:
    return SettlementRecord(
        request_id=Hash32(raw[:32]),
        vote_digest=Hash32(raw[32:64]),
        consumer=Address(raw[64:84]),
        snapshot_id=int.from_bytes(raw[96:104], "big"),
        prover_seat=raw[127],
        reward=Gwei(int.from_bytes(raw[84:92], "big")),
        counted=int.from_bytes(raw[92:96], "big"),
        raw=raw,
        tipped_seat=raw[125] - 1 if raw[125] else None,
    )


def pack_votes(votes: tuple[tuple[int, bytes], ...]) -> bytes:
    """Votes as (seat, 65-byte signature) in the contract's form: seat 1 | r 32 | vs 32 (EIP-2098)."""
    return b"".join(bytes([seat]) + compact(signature) for seat, signature in votes)


def compact(signature: bytes) -> bytes:
    """An r ‖ s ‖ v signature in its 64-byte form: v's parity is the highest bit of s."""
    s = bytearray(signature[32:64])
    s[0] |= (signature[64] - 27) << 7
    return signature[:32] + bytes(s)

"""Packed records of a settlement, as its event carries them and the contract wants them back.

128 bytes each: request id 32 | vote digest 32 | consumer 20, reward in gwei 8, counted seats 4 | snapshot 8,
zeros 21, tipped seat + 1 (0 none) 1, quorum 1, prover's seat 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, overload

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


class Records(Sequence[SettlementRecord]):
    """The records of a batch, each unpacked when it is looked at.

    A node remembers every settlement of a day's window, and hardly ever looks at one twice: unpacked it would
    take four times the room.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        """ValueError unless the length fits."""
        if len(raw) % RECORD_BYTES:
            raise ValueError(f"{len(raw)} bytes are no whole records")
        self._raw = raw

    def __len__(self) -> int:
        return len(self._raw) // RECORD_BYTES

    @overload
    def __getitem__(self, index: int) -> SettlementRecord: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[SettlementRecord, ...]: ...

    def __getitem__(self, index: int | slice) -> SettlementRecord | tuple[SettlementRecord, ...]:
        places = range(0, len(self._raw), RECORD_BYTES)[index]
        if isinstance(places, range):
            return tuple(self._at(place) for place in places)
        return self._at(places)

    def _at(self, place: int) -> SettlementRecord:
        return _unpack(self._raw[place : place + RECORD_BYTES])

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Records):
            return self._raw == other._raw
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))  # equal to a tuple of the same, so hashed like one


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

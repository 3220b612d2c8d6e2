"""Signing transactions: one form, EIP-1559, with every field given."""

from __future__ import annotations

from dataclasses import dataclass

import rlp  # type: ignore[import-untyped]
from eth_account import Account
from eth_utils.address import to_checksum_address

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.types import Address, Hash32, hex0x
from gpn_desktop.ports.secrets import NodeKey


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An unsigned transaction; ``to`` is None for a deployment, the fees are in wei per gas."""

    chain_id: int
    nonce: int
    to: Address | None
    value: int
    data: bytes
    gas: int
    max_fee: int
    priority_fee: int


def sign(tx: Outgoing, key: NodeKey) -> tuple[bytes, Hash32]:
    """The raw signed transaction and its hash. Signing is deterministic: the same input, the same bytes."""
    fields = {
        "type": 2,
        "chainId": tx.chain_id,
        "nonce": tx.nonce,
        "value": tx.value,
        "data": hex0x(tx.data),
        "gas": tx.gas,
        "maxFeePerGas": tx.max_fee,
        "maxPriorityFeePerGas": tx.priority_fee,
    }
    if tx.to is not None:
        fields["to"] = to_checksum_address(tx.to)
    raw = bytes(Account.sign_transaction(fields, key.secret).raw_transaction)
    return raw, keccak(raw)


def read_signed(raw: bytes) -> Outgoing:
    """What ``sign`` signed."""
    fields: list[bytes] = rlp.decode(raw[1:])
    chain_id, nonce, tip, max_fee, gas, to, value, data = fields[:8]
    return Outgoing(
        chain_id=_number(chain_id),
        nonce=_number(nonce),
        to=Address(to) if to else None,
        value=_number(value),
        data=data,
        gas=_number(gas),
        max_fee=_number(max_fee),
        priority_fee=_number(tip),
    )


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big")


def contract_address(sender: Address, nonce: int) -> Address:
    """Where a deployment of this sender with this nonce goes: keccak of the RLP list of both."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    if len(number) != 1 or number[0] >= 0x80:
        number = bytes([0x80 + len(number)]) + number
    body = bytes([0x80 + len(sender)]) + sender + number
    return Address(keccak(bytes([0xC0 + len(body)]) + body)[12:])

"""The local chain's books, read block by block: who had how much before and after, and what gas cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpn_desktop.adapters.chain.rpc import Rpc
from gpn_desktop.core.errors import ChainUnreachable
from gpn_desktop.core.types import Address, hex0x, parse_address
from gpn_desktop.ports.localnet import Audit


async def audit(rpc: Rpc, since: int, accounts: Iterable[Address]) -> Audit:
    """See ``ports.localnet.Localnet.audit``.

    Raises:
        ChainUnreachable: the chain does not answer, or not in the form of a chain.
    """
    try:
        head = _number(await rpc.ask("eth_blockNumber"))
        parties = set(accounts)
        gas = 0
        for number in range(since + 1, head + 1):
            paid, met = await _block(rpc, number)
            gas += paid
            parties |= met
        changes = {a: await _balance(rpc, a, head) - await _balance(rpc, a, since) for a in parties}
    except (KeyError, TypeError, ValueError) as error:
        raise ChainUnreachable(f"The local chain's books can't be read: {error!r}.") from error
    return Audit(changes, gas)


async def _block(rpc: Rpc, number: int) -> tuple[int, set[Address]]:
    """What a block's transactions paid for gas, and between whom they went."""
    receipts: Any = await rpc.ask("eth_getBlockReceipts", hex(number))
    gas = 0
    parties: set[Address] = set()
    for receipt in receipts or ():
        gas += _number(receipt["gasUsed"]) * _number(receipt["effectiveGasPrice"])
        met = (receipt["from"], receipt["to"], receipt.get("contractAddress"))
        parties |= {parse_address(str(party)) for party in met if party}
    return gas, parties


async def _balance(rpc: Rpc, account: Address, block: int) -> int:
    return _number(await rpc.ask("eth_getBalance", hex0x(account), hex(block)))


def _number(raw: object) -> int:
    return raw if isinstance(raw, int) else int(str(raw), 16)

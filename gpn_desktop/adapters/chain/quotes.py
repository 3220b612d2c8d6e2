"""What a transaction would cost, before anyone is asked to agree to it."""

from __future__ import annotations

from collections.abc import Sequence

from gpn_desktop.adapters.chain import bindings, calldata
from gpn_desktop.adapters.chain.endpoints import websocket_url
from gpn_desktop.adapters.chain.fees import Fees, first_offer
from gpn_desktop.adapters.chain.rpc import Refused, Rpc
from gpn_desktop.adapters.chain.writer import USUAL_TIP, Writer
from gpn_desktop.core.errors import ChainUnreachable, TransactionFailed
from gpn_desktop.core.types import ZERO_HASH, Address, Wei
from gpn_desktop.ports.calls import Call
from gpn_desktop.ports.deployment import Quote

REQUEST_SECONDS = 15.0


async def quote(rpc: Rpc, sender: Address, to: Address | None, value: int, data: bytes, fees: Fees) -> Quote:
    """Gas and its price now, and what the account has; without gas if it has less than the value.

    Raises:
        TransactionFailed: the contract refuses; the message names its error.
        FeesTooHigh, ChainUnreachable
    """
    try:
        balance = await rpc.balance(sender)
        if balance < value:
            return Quote(0, Wei(0), Wei(0), balance)  # no chain node would estimate it
        gas = await rpc.estimate(sender, to, value, data)
        head = await rpc.header()
    except Refused as error:
        if error.data:
            why = bindings.decode_error(error.data)
            raise TransactionFailed(f"The contract refuses: {why}.") from error
        raise TransactionFailed(f"The chain node refuses: {error.message}.") from error
    offer = first_offer(head.base_fee if head is not None else 0, await _tip(rpc), fees)
    expected = gas * ((head.base_fee if head is not None else 0) + offer.tip)
    return Quote(gas, Wei(expected), Wei(Writer.gas_limit(gas) * offer.max_fee), balance)


async def quote_call(
    urls: Sequence[str], sender: Address, contract: Address, call: Call, fees: Fees
) -> Quote:
    """The same for a call of the contract that needs no committee, over a connection of its own."""
    rpc = await Rpc.open(websocket_url(urls[0]), REQUEST_SECONDS)
    try:
        value, data = calldata.encode(call, ZERO_HASH, ())
        return await quote(rpc, sender, contract, value, data, fees)
    except Refused as error:
        raise ChainUnreachable(f"The chain node refuses to answer: {error.message}.") from error
    finally:
        await rpc.aclose()


async def newest_block(urls: Sequence[str]) -> int:
    """The head's number, for whoever has no use for what was before it."""
    rpc = await Rpc.open(websocket_url(urls[0]), REQUEST_SECONDS)
    try:
        head = await rpc.header()
    except Refused as error:
        raise ChainUnreachable(f"The chain node refuses to answer: {error.message}.") from error
    finally:
        await rpc.aclose()
    return 0 if head is None else head.number


async def _tip(rpc: Rpc) -> int:
    try:
        return await rpc.priority_fee()
    except Refused:
        return USUAL_TIP

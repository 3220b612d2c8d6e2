"""The node's own account on the chain: what it holds, what it sent, and sending from it.

Everything leaves through the same journal as the node's own transactions, so that nothing is sent twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import AddressWrong, AmountTooHigh, NotAMember, PayoutNotOurs
from gpn_desktop.core.types import WEI_PER_GWEI, Address, Wei, hex0x, parse_address
from gpn_desktop.ports.calls import Call, SetPayout, Transfer
from gpn_desktop.ports.chain import Chain, TxRecord
from gpn_desktop.services.context import Context

TRANSFER_GAS: Final = 21_000 * 5 // 4 + 5_000  # with the margin that every transaction is given
SHOWN: Final = 200

Submit = Callable[[str, Call], Awaitable[TxRecord]]


@dataclass(frozen=True, slots=True)
class Funds:
    """In wei. ``most`` is what can be sent at the present price, with the fee kept back."""

    balance: Wei
    fee: Wei

    @property
    def most(self) -> Wei:
        return Wei(max(0, self.balance - self.fee))


@dataclass
class Account:
    ctx: Context
    chain: Chain
    submit: Submit

    async def funds(self) -> Funds:
        """ChainUnreachable."""
        price = await self.chain.gas_price()
        # Twice the price: a block later it may have risen, and what is too little does not leave at all.
        return Funds(await self.chain.balance(self.ctx.me), Wei(TRANSFER_GAS * price * 2))

    async def transactions(self, limit: int = SHOWN) -> list[TxRecord]:
        """The latest, in whatever state, newest first."""
        return await self.ctx.store.recent_txs(limit)

    async def send(self, to: Address, amount: Wei) -> TxRecord:
        """AmountTooHigh says how much is possible; TransactionFailed, ChainUnreachable, FeesTooHigh."""
        funds = await self.funds()
        if amount > funds.most:
            raise AmountTooHigh(
                f"{_eth(amount)} ETH and the fee are more than there is; {_eth(funds.most)} ETH can be sent."
            )
        if amount <= 0:
            raise AmountTooHigh("Nothing would be sent.", remedy="Give an amount above zero.")
        return await self.submit(f"transfer:{await self._number()}", Transfer(to, amount))

    async def set_payout(self, payout: Address) -> None:
        """Where stake and rewards leave to; only the present payout address may change it.

        Raises:
            NotAMember, PayoutNotOurs, TransactionFailed, ChainUnreachable, FeesTooHigh
        """
        me = await self.chain.prover(self.ctx.me)
        if me is None:
            raise NotAMember(
                "This node is not registered; the payout address is given with its first commitment."
            )
        if me.payout != self.ctx.me:
            raise PayoutNotOurs(
                f"The payout address is {hex0x(me.payout)}, and only it can name another one."
            )
        await self.submit(f"payout:{await self._number()}", SetPayout(self.ctx.me, payout))

    async def _number(self) -> int:
        """Each is an intent of its own, also after a restart."""
        number = int.from_bytes(await self.ctx.store.get("transfers") or b"", "big") + 1
        await self.ctx.store.set("transfers", number.to_bytes(8, "big"))
        return number


def read_address(text: str, unchecked: bool = False) -> Address:
    """An address as people type it. Capitals are its check (EIP-55), so that a typing error is found.

    Args:
        unchecked: take one without capitals, which carries no check.

    Raises:
        AddressWrong
    """
    said = text.strip()
    try:
        address = parse_address(said.lower())
    except ValueError:
        raise AddressWrong("An address is 0x and 40 hex digits.") from None
    digits = said[2:]
    if digits == digits.lower() or digits == digits.upper():
        if unchecked:
            return address
        raise AddressWrong(
            "This address has no checksum: a typing error in it could not be found.",
            remedy="Copy it with its capital letters, or compare it digit by digit and confirm that you did.",
        )
    if said[2:] != checksummed(address)[2:]:
        raise AddressWrong("The checksum of this address is wrong: at least one of its digits is.")
    return address


def checksummed(address: Address) -> str:
    """With capitals as in EIP-55."""
    digits = address.hex()
    proof = keccak(digits.encode()).hex()
    return "0x" + "".join(c.upper() if int(p, 16) >= 8 else c for c, p in zip(digits, proof, strict=False))


def read_eth(text: str) -> Wei:
    """An amount in ETH as people type it, exactly; AmountTooHigh for what is none."""
    said = text.strip().replace(",", ".")
    whole, _, rest = said.partition(".")
    if not (whole or rest) or not (whole + rest).isascii() or not (whole + rest).isdigit() or len(rest) > 18:
        raise AmountTooHigh(
            "This is no amount in ETH.", remedy="Write it as in 0.25, with at most 18 decimals."
        )
    return Wei(int(whole or "0") * 10**18 + int(rest.ljust(18, "0") or "0"))


def _eth(amount: Wei) -> str:
    gwei = amount // WEI_PER_GWEI
    return f"{gwei // 10**9}.{gwei % 10**9:09d}".rstrip("0").rstrip(".")

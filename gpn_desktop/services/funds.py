"""Money for people: exact figures, and whether an account has enough before anything is signed."""

from __future__ import annotations

from gpn_desktop.core.errors import InsufficientFunds
from gpn_desktop.core.types import Wei
from gpn_desktop.ports.deployment import Quote


def in_eth(amount: int) -> str:
    """Wei as ETH, exactly, without needless zeros."""
    whole, rest = divmod(amount, 10**18)
    return f"{whole}" + (f".{rest:018}".rstrip("0") if rest else "")


def check_funds(quote: Quote, value: Wei) -> None:
    """InsufficientFunds, with figures, unless the account has the value and the most that gas may cost."""
    if quote.balance >= value + quote.most > 0:
        return
    gas = f"up to {in_eth(quote.most)} ETH for gas" if quote.most else "gas"
    raise InsufficientFunds(
        f"The account has {in_eth(quote.balance)} ETH; this takes {in_eth(value)} ETH and {gas}."
    )

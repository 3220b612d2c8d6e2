"""What a consumer has signed, by nonce: two requests on one nonce cost a part of its deposit.

The chain learns of a nonce when its request is settled, minutes after it was signed; until then only whoever
signed knows. So the book is asked before every signature, by all of the consumer's programs on this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from gpn_desktop.core.messages import Signed
from gpn_desktop.core.types import Address, Domain, Request

SignAt = Callable[[int], Signed[Request]]
IsSame = Callable[[Request], bool]


class NonceBook(Protocol):
    """Every request that this machine's consumers signed, until the chain's window has passed its nonce."""

    async def sign_once(
        self, domain: Domain, consumer: Address, base: int, free: Sequence[int], sign: SignAt, same: IsSame
    ) -> Signed[Request]:
        """An earlier request that is the ``same``, else one signed on the first of ``free`` that has none.

        One step for all processes: the request is in the book before anyone gets to see its signature. What
        was signed below ``base``, the first nonce of the chain's window, is forgotten.

        Raises:
            NonceUsed: each of ``free`` has a request.
            StoreFull, StoreLocked, StoreCorrupt
        """
        ...

    async def signed(self, domain: Domain, consumer: Address) -> list[Signed[Request]]:
        """All that is in the book, by nonce."""
        ...

    async def discard(self, domain: Domain, signed: Signed[Request]) -> None:
        """Free the nonce of a request that has not left this process, and never will."""
        ...

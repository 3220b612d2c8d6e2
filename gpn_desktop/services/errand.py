"""A command that sends one transaction, once: also when it is killed in the middle and given again.

Every run is a new intent, so that two deposits of one ETH are two. But a run that was cut off is not over:
its intent is written down before anything is signed, and the next run, of whatever command, first sees to it
that what was sent comes to its end.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final, Protocol, TypeVar

from gpn_desktop.core import jsontext
from gpn_desktop.core.errors import FeesTooHigh, InsufficientFunds, StoreCorrupt, TransactionFailed
from gpn_desktop.ports.chain import TxRecord, TxState

NAME: Final = "errand"
DONE: Final = b""

T = TypeVar("T")


class Facts(Protocol):
    """The part of the store that is needed here."""

    async def get(self, name: str) -> bytes | None: ...

    async def set(self, name: str, value: bytes) -> None: ...

    async def tx_by_intent(self, intent: str) -> TxRecord | None: ...

    async def forget_unsigned(self, intent: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Errand:
    """A command with its terms, as texts that mean the same in another run."""

    command: str
    terms: Mapping[str, str]
    intent: str

    def __str__(self) -> str:
        return " ".join((self.command, *(f"{name} {value}" for name, value in self.terms.items())))


Act = Callable[[Errand], Awaitable[T]]


class Errands:
    """One at a time for each key, which the store's lock sees to."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    async def unfinished(self) -> Errand | None:
        """What an earlier run began and did not end."""
        raw = await self._facts.get(NAME)
        if raw is None or raw == DONE:
            return None
        try:
            return Errand(**jsontext.parse(raw))
        except (ValueError, TypeError) as error:
            raise StoreCorrupt("The journal's note of an unfinished command can't be read.") from error

    async def sent(self, errand: Errand) -> TxRecord | None:
        """Its transaction, if there is one that may be mined or is."""
        record = await self._facts.tx_by_intent(errand.intent)
        lost = record is not None and record.state in (TxState.QUEUED, TxState.REVERTED)
        return None if lost else record

    async def begin(self, command: str, terms: Mapping[str, str]) -> Errand:
        """A new one, written down."""
        errand = Errand(command, dict(terms), f"{command} {secrets.token_hex(8)}")
        await self._facts.set(NAME, json.dumps(asdict(errand)).encode())
        return errand

    async def finish(self, act: Act[T]) -> tuple[Errand, T] | None:
        """End what an earlier run sent and did not see the end of; None if there is no such thing.

        Raises:
            TransactionFailed: the contract refused it, so nothing of it happened.
        """
        errand = await self.unfinished()
        if errand is None:
            return None
        if await self.sent(errand) is None:
            await self.end(errand)
            return None
        return errand, await self.carry_out(errand, act)

    async def carry_out(self, errand: Errand, act: Act[T]) -> T:
        """Act, and note the end; what may still be mined has no end, and stays unfinished."""
        try:
            result = await act(errand)
        except (TransactionFailed, InsufficientFunds, FeesTooHigh):
            await self.end(errand)
            raise
        await self.end(errand)
        return result

    async def end(self, errand: Errand) -> None:
        """It is over, and whatever became of it is known."""
        await self._facts.forget_unsigned(errand.intent)
        await self._facts.set(NAME, DONE)

"""What goes wrong under a node, at a chosen instant: its disk, its prover, its power."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

from gpn_desktop.adapters.builtin.runtime import BuiltinRuntime
from gpn_desktop.core.errors import GpnError
from gpn_desktop.core.messages import (
    AnnouncementMessage,
    DeclineMessage,
    PeerMessage,
    RequestMessage,
    VotesMessage,
)
from gpn_desktop.ports.runtime import ImageRef, JobLog
from gpn_desktop.ports.store import Store

Matches = Callable[[str, tuple[Any, ...], dict[str, Any]], bool]


class Disk:
    """A store whose calls pass through here. It can fail, and the power can go right after a call."""

    def __init__(self, platter: Store) -> None:
        self.platter = platter
        self.on = True
        self.cut = asyncio.Event()
        self._cut_after: Matches | None = None
        self._failing: tuple[Matches, GpnError] | None = None

    def cut_after(self, matches: Matches) -> None:
        """The first matching call is carried out, and nothing after it."""
        self._cut_after = matches

    def fail(self, matches: Matches, error: GpnError) -> None:
        self._failing = (matches, error)

    def mend(self) -> None:
        self._failing = None

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.platter, name)

        async def through(*args: Any, **named: Any) -> Any:
            if not self.on:
                raise asyncio.CancelledError("The power is off.")
            if self._failing is not None and self._failing[0](name, args, named):
                raise self._failing[1]
            result = await call(*args, **named)
            if self._cut_after is not None and self._cut_after(name, args, named):
                self.on = False
                self.cut.set()
                raise asyncio.CancelledError("The power is off.")
            return result

        return through


def keeps_own(kind: type[PeerMessage]) -> Matches:
    """The call that journals the node's own statement of a kind."""

    def matches(name: str, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
        return name == "keep" and isinstance(args[2], kind) and bool(named.get("own"))

    return matches


def keeps_others(kind: type[PeerMessage]) -> Matches:
    """The call that journals somebody else's statement of a kind."""

    def matches(name: str, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
        return name == "keep" and isinstance(args[2], kind) and not named.get("own")

    return matches


keeps_request = keeps_own(RequestMessage)
keeps_announcement = keeps_own(AnnouncementMessage)
keeps_vote = keeps_own(VotesMessage)
keeps_decline = keeps_own(DeclineMessage)


def calls(wanted: str) -> Matches:
    return lambda name, args, named: name == wanted


def marks(prefix: str) -> Matches:
    """A small fact is written, whose name begins so."""
    return lambda name, args, named: name == "set" and args[0].startswith(prefix) and args[1] != b""


class Bench(BuiltinRuntime):
    """A prover that the test holds, breaks, or has make large proofs."""

    def __init__(self) -> None:
        super().__init__()
        self.may_prove = asyncio.Event()
        self.may_prove.set()
        self.may_validate = asyncio.Event()
        self.may_validate.set()
        self.prove_error: GpnError | None = None
        self.validate_error: GpnError | None = None
        self.repeat = 1
        self.proving = asyncio.Event()
        self.proved = 0
        self.stubborn = False

    async def prove(
        self, image: ImageRef, ref: str, data: bytes, within: float, log: JobLog | None = None
    ) -> bytes:
        self.proving.set()
        self.proved += 1
        try:
            await self.may_prove.wait()
        except asyncio.CancelledError:
            if self.stubborn:
                await asyncio.sleep(3600)
            raise
        if self.prove_error is not None:
            raise self.prove_error
        return true_proof(ref, data) * self.repeat

    async def validate(
        self,
        image: ImageRef,
        ref: str,
        proof: bytes,
        data: bytes,
        within: float,
        log: JobLog | None = None,
    ) -> bool:
        await self.may_validate.wait()
        if self.validate_error is not None:
            raise self.validate_error
        whole, rest = divmod(len(proof), 32)
        return rest == 0 and proof == true_proof(ref, data) * whole


def true_proof(ref: str, data: bytes) -> bytes:
    return hashlib.sha256(ref.encode() + data).digest()

"""After the demo's script: requests one by one, and a node that cheats, as somebody asks for them.

The window's tour is played on this. Every request is a real one, on the network that the script has left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from gpn_desktop.core.errors import GpnError
from gpn_desktop.core.types import Address, Hash32
from gpn_desktop.services.demo.crew import Told
from gpn_desktop.services.demo.play import PAY_SECONDS, SETTLE_SECONDS, Play
from gpn_desktop.services.demo.stage import MESH_SECONDS, WINDOW, Operator, Stage
from gpn_desktop.services.views import Phase

LEAST_HONEST: Final = 3  # a prover and the quorum of a small committee


class EncoreRefused(GpnError):
    code = "GPN-1903"
    remedy = "Wait for it, or start the demo again for a fresh network."


@dataclass
class Encore:
    """Attributes:
    current: the latest request of the tour.
    busy: something is under way, and nothing else can be asked for.
    cheated: who announces false proofs by now; only one can be asked to, as it loses its seat over it.
    """

    stage: Stage
    play: Play
    current: Hash32 | None = None
    busy: bool = False
    cheated: Address | None = None
    _count: int = 0
    _watchers: set[Callable[[], None]] = field(default_factory=set)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` whenever an attribute does; returns the undo."""
        self._watchers.add(changed)
        return lambda: self._watchers.discard(changed)

    def name(self, address: Address) -> str:
        """What the demo calls this node."""
        return self.stage.names.get(address, "")

    @property
    def may_cheat(self) -> bool:
        present = [o for o in self.stage.present if not o.spec.cheat]
        return self.cheated is None and len(present) > LEAST_HONEST and not self.stage.options.cheat

    async def request(self) -> None:
        """One proof, until its verdict. DemoFailed where it does not come; EncoreRefused while busy."""
        self._begin()
        try:
            await self._send(None, "")
        finally:
            self._end()

    async def cheat(self) -> None:
        """Let one of the other nodes announce a false proof, on a request that it proves first."""
        if not self.may_cheat:
            raise EncoreRefused("Too few honest nodes would be left.")
        self._begin()
        try:
            operator = next(o for o in self.stage.present[1:] if not o.spec.cheat)
            await self._corrupt(operator)
            self.cheated = operator.address
            self._tell()
            await self._send({operator.address}, "the cheater proves first")
        finally:
            self._end()

    async def skip_window(self) -> None:
        """Move the local chain's clock past the window of 24 h, and wait until the request is paid."""
        assert self.current is not None
        self._begin()
        try:
            await self.play.until(self.current, Phase.SETTLED, SETTLE_SECONDS)
            await self.stage.localnet.advance(WINDOW + 1)
            await self.play.until(self.current, Phase.PAID, PAY_SECONDS)
        finally:
            self._end()

    async def _send(self, first: set[Address] | None, why: str) -> None:
        self._count += 1
        ref = f"tour-{self._count}"

        def sent(request_id: Hash32) -> None:
            self.current = request_id
            self._tell()

        await self.play.request(self.stage.consumers[0], ref, counted=False, first=first, why=why, sent=sent)

    async def _corrupt(self, operator: Operator) -> None:
        """The same node again, with its key and its journal, and no honesty."""
        crew = self.stage.crew
        self.stage.say(f"{operator.spec.name} is started anew, and will cheat")
        await crew.stop(operator.address)
        operator.spec = replace(operator.spec, cheat=True)
        mark, others = len(crew.told), len(self.stage.present)
        await self.stage.restart(operator)

        def back(told: Told) -> bool:
            count = told.fields.get("count", 0)
            mine = told.address == operator.address and told.name == "peers"
            return mine and isinstance(count, int) and count >= others

        await crew.until(back, MESH_SECONDS, mark)

    def _begin(self) -> None:
        if self.busy:
            raise EncoreRefused("The latest request is still under way.")
        self.busy = True
        self._tell()

    def _end(self) -> None:
        self.busy = False
        self._tell()

    def _tell(self) -> None:
        for watcher in list(self._watchers):
            watcher()

"""The consumers on the contract, each with what this node has to do with it.

What the chain says is read again when it changes; what happens on this machine is put in at each look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gpn_desktop.core.errors import ConsumerUnknown, ImageUnavailable
from gpn_desktop.core.trial import Offer
from gpn_desktop.core.types import Address, Hash32, short
from gpn_desktop.ports.chain import Chain, ConsumerInfo
from gpn_desktop.ports.runtime import ImageRef, ImageState
from gpn_desktop.services.context import Context
from gpn_desktop.services.entry import Entry
from gpn_desktop.services.membership import Membership
from gpn_desktop.services.trials import Trials
from gpn_desktop.services.views import ConsumerView


@dataclass
class Catalogue:
    """``entries`` are the requests in memory, oldest first; ``membership`` is None without a contract."""

    ctx: Context
    chain: Chain | None
    membership: Membership | None
    entries: Mapping[Hash32, Entry]
    _known: dict[Address, ConsumerView] = field(default_factory=dict)
    _stale: bool = False
    _loading: asyncio.Task[None] | None = None

    def views(self) -> tuple[ConsumerView, ...]:
        """All of them now; cheap, no I/O."""
        latest = {entry.consumer: entry.job.request for entry in self.entries.values()}
        found = []
        for view in self._known.values():
            request = latest.get(view.address)
            served = view.address in self.ctx.serve
            state = self.ctx.runtime.state(image_of(view)) if served else ImageState.ABSENT
            found.append(
                replace(
                    view,
                    image_state=state.value,
                    served=served,
                    leaving=self.membership is not None and view.address in self.membership.leaving,
                    expires_at=self.membership.expiry.get(view.address, 0) if self.membership else 0,
                    reward=request.reward if request else None,
                    turn_seconds=request.details.proving_timeout if request else None,
                )
            )
        return tuple(found)

    def view(self, consumer: Address) -> ConsumerView:
        """ConsumerUnknown if it is not on the contract."""
        found = next((view for view in self.views() if view.address == consumer), None)
        if found is None:
            raise ConsumerUnknown(f"No consumer {short(consumer)} is known here.")
        return found

    async def load(self) -> None:
        """Read them all from the chain."""
        if self.chain is None:
            return
        views = [await self._view(self.chain, info) for info in await self.chain.consumers()]
        self._known = {view.address: view for view in views}

    async def _view(self, chain: Chain, info: ConsumerInfo) -> ConsumerView:
        snapshot = await chain.snapshot(info.address, info.snapshot_id)
        if snapshot is not None:
            self.ctx.meet(info.address, snapshot.members)
        return ConsumerView(
            info.address,
            info.image_name,
            info.image_digest,
            info.balance,
            info.snapshot_id,
            len(snapshot.seats) if snapshot else 0,
            ImageState.ABSENT.value,
            snapshot is not None and self.ctx.me in snapshot.members,
            exiting=bool(info.exit_at),
        )

    def look_again(self) -> None:
        """Once for all events of a moment: a start tells every change that there ever was."""
        self._stale = True
        if self._loading is None or self._loading.done():
            self._loading = self.ctx.tasks.spawn(self._load_all(), "consumers")

    async def _load_all(self) -> None:
        while self._stale:
            self._stale = False
            await self.load()
            if self.membership is not None:
                await self.membership.look()
        self.ctx.changed()


def start_trial(trials: Trials | None, view: ConsumerView, offer: Offer) -> None:
    """ImageUnavailable where images are not a matter of this machine; TrialRunning."""
    if trials is None:
        raise ImageUnavailable("The built-in test prover runs no images.")
    trials.start(image_of(view), offer)


def image_of(view: ConsumerView) -> ImageRef:
    return ImageRef(view.image_name, view.image_digest)

"""What the operator can do about a consumer, between the page's rows and the node's services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpn_desktop.core.types import Address, hex0x, short
from gpn_desktop.services.views import ConsumerView
from gpn_desktop.ui import text
from gpn_desktop.ui.models.consumers import ConsumerLine
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.widgets.facts import Fact
from gpn_desktop.ui.widgets.sheet import Question, Sheet

if TYPE_CHECKING:
    from gpn_desktop.ports.runtime import ImageRef
    from gpn_desktop.services.membership import CommitCost

Entries = list[tuple[str, Callable[[], object]]]


@dataclass
class Duties:
    """``redraw`` is called after everything that the rows show differently."""

    context: PageContext
    redraw: Callable[[], None]
    cost: CommitCost | None = None
    _busy: set[Address] = field(default_factory=set)

    async def load(self) -> None:
        """What earlier trials found, and what a first commitment takes."""
        facade = self.context.facade
        for consumer in facade.view().consumers:
            if facade.trials is not None:
                await facade.trials.load(_image(consumer))
        if facade.membership is not None:
            await facade.membership.look()
            if facade.view().consumers:
                self.cost = await facade.membership.cost(facade.view().consumers[0].address)
        self.redraw()

    @property
    def registered(self) -> bool:
        duties = self.context.facade.membership
        return duties is not None and duties.me is not None

    def busy(self, consumer: Address) -> bool:
        return consumer in self._busy

    def line(self, consumer: ConsumerView, countdown: int) -> ConsumerLine:
        facade = self.context.facade
        image = _image(consumer)
        trials = facade.trials
        return ConsumerLine(
            consumer,
            facade.images.runtime.status(image).progress,
            trials.views.get(image) if trials is not None else None,
            can_try=trials is not None,
            can_commit=facade.membership is not None,
            countdown=countdown,
        )

    def words(self, action: str, line: ConsumerLine) -> str:
        """What the row's button says: a commitment names its price."""
        match action:
            case "try":
                return tr("Get and try") if line.trial is None else tr("Try again")
            case "stop":
                return tr("Cancel")
            case "commit" if not self.registered and self.cost is not None:
                return tr("Commit · stake {eth} ETH").format(eth=text.eth_of_wei(self.cost.stake))
            case "commit":
                return tr("Commit")
            case "manage":
                return tr("Manage ▾")
        return ""

    def tip(self, action: str) -> str:
        if action != "commit" or self.cost is None:
            return ""
        return tr("The fee is about {fee} ETH at the present price.").format(
            fee=text.eth_of_wei(self.cost.fee)
        )

    # trials -----------------------------------------------------------------------------------------------

    def start_trial(self, line: ConsumerLine) -> None:
        self.context.tasks.start(self.context.facade.try_image(line.view.address))

    def stop_trial(self, line: ConsumerLine) -> None:
        trials = self.context.facade.trials
        if trials is not None:
            trials.cancel(_image(line.view))

    # commitments ------------------------------------------------------------------------------------------

    async def ask_commit(self, line: ConsumerLine, sheet: Sheet) -> None:
        duties = self.context.facade.membership
        assert duties is not None
        consumer = line.view.address
        cost = await duties.cost(consumer)
        view = self.context.facade.view()
        payout = hex0x(view.payout or view.address)
        facts = (
            Fact(tr("Stake, comes back when you leave"), f"{text.eth_of_wei(cost.stake)} ETH"),
            Fact(tr("Network fee, about"), f"{text.eth_of_wei(cost.fee)} ETH"),
            Fact(tr("Balance of the node’s key"), f"{text.eth_of_wei(cost.balance)} ETH",
                 value_tone="muted" if cost.affordable else "bad"),
            Fact(tr("Rewards and stake leave to"), payout, value_mono=True),
        )  # fmt: skip
        words = tr(
            "This node will prove and verify for this consumer. A signed contradiction costs the stake; a "
            "missed turn costs the reward only. The commitment ends after 30 days unless it is renewed; the "
            "node does that by itself while it runs."
        )
        if not cost.affordable:
            words = tr("The node’s key has too little for stake and fee. Send ETH to {me} first.").format(
                me=hex0x(view.address)
            )
        sheet.ask(
            Question(
                tr("Commit to {consumer}?").format(consumer=short(consumer)),
                words,
                tr("Commit"),
                lambda: self._commit(consumer),
                tr("Committing: the transactions are signed, sent and wait for their blocks"),
                facts,
                able=cost.affordable,
                safe=tr("What was sent is in the journal and is not sent twice."),
            )
        )

    def commit(self, consumer: Address) -> None:
        """Without another question."""
        self.context.tasks.start(self._quietly(consumer))

    async def _quietly(self, consumer: Address) -> None:
        self._busy.add(consumer)
        self.redraw()
        try:
            await self._commit(consumer)
        finally:
            self._busy.discard(consumer)
            self.redraw()

    async def _commit(self, consumer: Address) -> str:
        duties = self.context.facade.membership
        assert duties is not None
        await duties.commit(consumer)
        return tr("Committed. This node gets a seat with the consumer’s next committee.")

    def entries(self, line: ConsumerLine, sheet: Sheet) -> Entries:
        """The menu of a consumer that this node works for."""
        found: Entries = []
        image = _image(line.view)
        if line.can_try:
            found.append((tr("Try the image again"), lambda: self.start_trial(line)))
        if line.view.image_state in ("quarantined", "failed"):
            found.append((tr("Start the image again"), lambda: self.context.facade.images.pardon(image)))
        if line.can_commit and not line.view.leaving:
            found.append((tr("Take the commitment back…"), lambda: sheet.ask(self._leave(line))))
        return found

    def _leave(self, line: ConsumerLine) -> Question:
        duties = self.context.facade.membership
        assert duties is not None
        consumer = line.view.address

        async def leave() -> str:
            await duties.uncommit(consumer)
            return tr("Taken back. Requests on the seat that this node had are served to their end.")

        return Question(
            tr("Stop working for {consumer}?").format(consumer=short(consumer)),
            tr(
                "The commitment is taken back by a transaction, and a committee without this node is drawn. "
                "Requests on the seat that it had are served to their end; leaving them would cost the "
                "others their quorum. The stake stays, for other consumers."
            ),
            tr("Take it back"),
            leave,
            tr("Taking the commitment back"),
            safe=tr("The commitment stays as it is."),
            tone="warn",
        )

    # the machine and the stake ----------------------------------------------------------------------------

    def more(self, sheet: Sheet) -> Entries:
        found: Entries = [(tr("Free disk space…"), lambda: sheet.ask(self._prune()))]
        duties = self.context.facade.membership
        if duties is not None and duties.me is not None and duties.me.stake:
            if duties.me.unbond_at:
                found.append((tr("Withdraw the stake…"), lambda: sheet.ask(self._withdraw())))
            else:
                found.append((tr("Leave the network…"), lambda: sheet.ask(self._unbond())))
        return found

    def _prune(self) -> Question:
        async def prune() -> str:
            freed = await self.context.facade.images.prune()
            self.redraw()
            return tr("{size} freed.").format(size=text.size(freed))

        return Question(
            tr("Remove images that nobody needs?"),
            tr(
                "All images that this node pulled are removed, but those of the consumers that it works for. "
                "Images that others put on this machine are never touched."
            ),
            tr("Remove"),
            prune,
            tr("Removing images"),
        )

    def _unbond(self) -> Question:
        duties = self.context.facade.membership
        assert duties is not None
        assert duties.me is not None
        stake = text.eth_of_wei(duties.me.stake)

        async def leave() -> str:
            at = await duties.unbond()
            return tr("Leaving. The stake can be withdrawn {when}.").format(when=text.until(at))

        return Question(
            tr("Leave the network?"),
            tr(
                "Take all commitments back first. The stake of {eth} ETH can be withdrawn to the payout "
                "address after the unbonding time; until then it answers for what this node signed."
            ).format(eth=stake),
            tr("Leave"),
            leave,
            tr("Leaving the network"),
            safe=tr("Nothing has changed."),
            tone="warn",
        )

    def _withdraw(self) -> Question:
        duties = self.context.facade.membership
        assert duties is not None
        assert duties.me is not None
        me = duties.me

        async def withdraw() -> str:
            amount = await duties.withdraw_stake()
            return tr("{eth} ETH were sent to the payout address.").format(eth=text.eth_of_wei(amount))

        return Question(
            tr("Withdraw the stake?"),
            tr("It goes to the payout address {payout}. It can be withdrawn {when}.").format(
                payout=hex0x(me.payout), when=text.until(me.unbond_at)
            ),
            tr("Withdraw {eth} ETH").format(eth=text.eth_of_wei(me.stake)),
            withdraw,
            tr("Withdrawing the stake"),
            safe=tr("The stake stays where it is."),
        )


def _image(consumer: ConsumerView) -> ImageRef:
    from gpn_desktop.ports.runtime import ImageRef

    return ImageRef(consumer.image_name, consumer.image_digest)

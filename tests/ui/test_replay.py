"""Would I have earned: the card over a chain's past, its errors in words, and leaving it half way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from gpn_desktop.core.errors import NotTriedYet
from gpn_desktop.core.replay import Outlook
from gpn_desktop.core.trial import Measured
from gpn_desktop.core.types import Gwei, Wei
from gpn_desktop.services.replay import Wanted
from gpn_desktop.ui.pages.earnings import EarningsPage
from gpn_desktop.ui.pages.replay import ReplayCard
from tests.ui.conftest import Attach, until
from tests.ui.fake import FakeFacade, demo_view

OUTLOOK = Outlook(
    120, Fraction(61, 2), Fraction(179, 2), Gwei(42_000_000), Gwei(9_000_000), Wei(3 * 10**15), 7_200_000,
    600_000, True,
)  # fmt: skip


class Past:
    def __init__(self) -> None:
        self.asked: list[Wanted] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.outlook = OUTLOOK

    async def run(
        self, wanted: Wanted, measured: Measured | None, progress: Callable[[int, int], None]
    ) -> Outlook:
        self.asked.append(wanted)
        if measured is None:
            raise NotTriedYet("This machine’s speed is not known.")
        progress(500, 2000)
        await self.go_on.wait()
        return self.outlook


def opened(attach: Attach, past: Past) -> ReplayCard:
    facade = FakeFacade(demo_view())
    facade.replay = past
    window = attach(facade)
    window.go("earnings")
    page = window.pages["earnings"]
    assert isinstance(page, EarningsPage)
    return page.replay


def start(card: ReplayCard) -> None:
    QTest.mouseClick(card.run, Qt.MouseButton.LeftButton)


async def test_what_it_would_have_brought(attach: Attach) -> None:
    past = Past()
    card = opened(attach, past)
    card.stake.setText("2.5")
    card.price.setText("0,30")
    card.days.setCurrentIndex(2)
    start(card)
    await until(lambda: bool(card.facts.facts))
    (wanted,) = past.asked
    assert (wanted.days, wanted.stake, wanted.watts, wanted.price) == (30, 25 * 10**17, 300, 300_000)
    shown = {fact.text: fact.value for fact in card.facts.facts}
    assert shown["Settled requests"] == "120"
    assert shown["Proofs, expected"] == "30.5 for 0.0420 ETH"
    assert shown["Left over"] == "0.0480 ETH"
    assert shown["Electricity"] == "2.00 kWh, 0.60 in your currency"
    assert card.progress.isHidden()
    assert card.run.isEnabled()


async def test_it_can_be_left_while_it_reads(attach: Attach) -> None:
    past = Past()
    past.go_on.clear()
    card = opened(attach, past)
    start(card)
    await until(lambda: card.progress.value() == 500 and card.cancel.isVisible())
    assert not card.run.isEnabled()
    QTest.mouseClick(card.cancel, Qt.MouseButton.LeftButton)
    await until(card.run.isEnabled)
    assert card.facts.facts == ()


async def test_a_consumer_that_was_never_tried_says_what_to_do(attach: Attach) -> None:
    card = opened(attach, Past())
    card.consumer.setCurrentIndex(1)
    start(card)
    await until(card.answer.isVisible)
    assert "GPN-2061" in card.answer.text()


@pytest.mark.parametrize(
    ("field", "typed"),
    [("stake", "much"), ("stake", "-1"), ("watts", "1e9"), ("watts", "0.5"), ("price", "nan")],
)
async def test_what_is_no_amount_is_named_and_nothing_is_asked(
    attach: Attach, field: str, typed: str
) -> None:
    past = Past()
    card = opened(attach, past)
    getattr(card, field).setText(typed)
    start(card)
    assert card.answer.isVisible()
    assert past.asked == []


async def test_where_there_is_no_chain_there_is_no_card(attach: Attach) -> None:
    window = attach(FakeFacade(demo_view()))
    window.go("earnings")
    page = window.pages["earnings"]
    assert isinstance(page, EarningsPage)
    assert page.replay.isHidden()

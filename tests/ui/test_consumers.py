"""Consumers & images and Network: the operator's commands go to the node, and nothing is asked twice."""

from __future__ import annotations

from dataclasses import fields, replace

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from gpn_desktop.core.errors import NetworkDown, TransactionFailed
from gpn_desktop.core.refusals import Drops
from gpn_desktop.core.types import Wei
from gpn_desktop.ports.chain import ProverInfo
from gpn_desktop.ports.runtime import ImageRef, PullProgress
from gpn_desktop.services.trials import Stage, TrialView
from gpn_desktop.ui.models.consumers import action_of, state_look
from gpn_desktop.ui.models.refusals import WORDS
from gpn_desktop.ui.pages.consumers import ConsumersPage
from gpn_desktop.ui.pages.network import NetworkPage
from gpn_desktop.ui.pages.network_peers import BANNED, DROPPED
from gpn_desktop.ui.window import MainWindow
from tests.ui.conftest import Attach, until
from tests.ui.fake import CONSUMERS, ME, PEERS, FakeFacade, demo_view, empty_view
from tests.ui.fake_duties import ETHER

MEMBER = ProverInfo(ME, 4, ME, Wei(ETHER), 0, False)


def consumers(window: MainWindow) -> ConsumersPage:
    window.go("consumers")
    page = window.pages["consumers"]
    assert isinstance(page, ConsumersPage)
    return page


def network(window: MainWindow) -> NetworkPage:
    window.go("network")
    page = window.pages["network"]
    assert isinstance(page, NetworkPage)
    return page


def row_button(page: ConsumersPage, at: int) -> QPushButton:
    return page._buttons[CONSUMERS[at]]


def click(widget: QPushButton) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


async def test_every_row_says_its_state_and_its_one_action(attach: Attach) -> None:
    page = consumers(attach(FakeFacade(demo_view())))
    await until(lambda: "stake" in row_button(page, 4).text())

    states = [state_look(line)[0].word for line in page.model.rows]
    assert states == [
        "Committed", "Committed", "Waiting for a seat", "Tried: no go", "Tried: go", "Not on this machine",
    ]  # fmt: skip
    words = [row_button(page, at).text() for at in range(6)]
    assert words == [
        "Manage ▾", "Manage ▾", "Manage ▾", "Try again", "Commit · stake 0.5000 ETH", "Get and try",
    ]  # fmt: skip
    filled = [at for at in range(6) if row_button(page, at).property("kind") == "primary"]
    assert filled == [4]


async def test_get_and_try_follows_the_pull_and_can_be_called_off(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    page = consumers(attach(facade))
    click(row_button(page, 5))
    await until(lambda: facade.tried == [CONSUMERS[5]])

    view = facade.now.consumers[5]
    image = ImageRef(view.image_name, view.image_digest)
    assert facade.trials is not None
    facade.trials.views[image] = TrialView(
        image, Stage.PULLING, progress=PullProgress(1_300_000_000, 1_800_000_000)
    )
    facade.change()
    await until(lambda: row_button(page, 5).text() == "Cancel")
    look, figure = state_look(page.model.rows[5])
    assert (look.word, figure) == ("Pulling", "1.3 GB of 1.8 GB")


async def test_the_first_commitment_is_asked_for_with_all_it_costs(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    page = consumers(attach(facade))
    await until(lambda: "stake" in row_button(page, 4).text())
    click(row_button(page, 4))
    await until(page.sheet.isVisible)

    said = [f"{fact.text}: {fact.value}" for fact in page.sheet.facts.facts]
    assert said[0] == "Stake, comes back when you leave: 0.5000 ETH"
    assert said[1] == "Network fee, about: 0.00068 ETH"
    assert facade.membership.asked == []
    assert row_button(page, 4).property("kind") == "", "one filled button: the sheet's"
    click(page.sheet.cancel)
    assert not page.sheet.isVisible()
    assert facade.membership.asked == []

    click(row_button(page, 4))
    await until(page.sheet.isVisible)
    click(page.sheet.confirm)
    await until(lambda: "Committed" in page.sheet.state.text())
    assert facade.membership.asked == [("commit", CONSUMERS[4])]
    assert not page.sheet.confirm.isVisible()


async def test_what_the_key_cannot_pay_cannot_be_confirmed(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    facade.membership.balance = Wei(ETHER // 4)
    page = consumers(attach(facade))
    await until(lambda: "stake" in row_button(page, 4).text())
    click(row_button(page, 4))
    await until(page.sheet.isVisible)
    assert "too little" in page.sheet.words.text()
    assert not page.sheet.confirm.isVisible()


async def test_a_failed_commitment_says_why_and_can_be_tried_again(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    facade.membership.error = TransactionFailed("commit failed: NotEligible.")
    page = consumers(attach(facade))
    await until(lambda: "stake" in row_button(page, 4).text())
    click(row_button(page, 4))
    await until(page.sheet.isVisible)
    click(page.sheet.confirm)
    await until(lambda: page.sheet.confirm.text() == "Try again")
    assert TransactionFailed.code in page.sheet.words.text()
    facade.membership.error = None
    click(page.sheet.confirm)
    await until(lambda: "Committed" in page.sheet.state.text())


async def test_a_member_commits_by_one_click_that_can_be_called_off(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    facade.membership.me = MEMBER
    page = consumers(attach(facade))
    page._second.setInterval(20)
    assert row_button(page, 4).text() == "Commit"

    click(row_button(page, 4))
    assert state_look(page.model.rows[4])[1] == "in 5 s"
    click(row_button(page, 4))
    assert action_of(page.model.rows[4]) == "commit"
    assert facade.membership.asked == []

    click(row_button(page, 4))
    await until(lambda: facade.membership.asked == [("commit", CONSUMERS[4])])


async def test_a_commitment_is_taken_back_by_the_rows_menu(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    page = consumers(attach(facade))
    click(row_button(page, 0))
    (entry,) = [action for action in page.menu.actions() if "back" in action.text()]
    entry.trigger()
    page.menu.close()
    assert page.sheet.isVisible()
    click(page.sheet.confirm)
    await until(lambda: facade.membership.asked == [("uncommit", CONSUMERS[0])])


async def test_leaving_the_network_names_the_stake(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    facade.membership.me = MEMBER
    page = consumers(attach(facade))
    click(page.more)
    (entry,) = [action for action in page.menu.actions() if "Leave" in action.text()]
    entry.trigger()
    page.menu.close()
    assert "1.0000 ETH" in page.sheet.words.text()
    click(page.sheet.confirm)
    await until(lambda: "in 9 d" in page.sheet.state.text() or "in 8 d" in page.sheet.state.text())


async def test_the_filter_and_the_empty_states(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    page = consumers(attach(facade))
    page.filter.setText("PLONK")
    assert [line.view.image_name for line in page.model.rows] == ["tessera/plonk"]
    page.filter.setText("nobody")
    assert page.list.is_empty
    assert page.list.empty.title() == "No consumer matches"

    nobody = consumers(attach(FakeFacade(empty_view())))
    assert nobody.list.empty.title() == "No consumers yet"
    away = consumers(attach(FakeFacade(replace(empty_view(), chain_up=False))))
    assert away.list.empty.title() == "The chain cannot be reached"


async def test_a_row_that_goes_takes_its_button_along(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    page = consumers(attach(facade))
    facade.change(consumers=facade.now.consumers[2:])
    await until(lambda: len(page.model.rows) == 4)
    assert set(page._buttons) == set(CONSUMERS[2:])
    facade.change(consumers=demo_view().consumers)
    await until(lambda: len(page.model.rows) == 6)
    assert row_button(page, 0).text() == "Manage ▾"


async def test_a_trial_survives_in_the_details(attach: Attach) -> None:
    page = consumers(attach(FakeFacade(demo_view())))
    page.table.choose(CONSUMERS[3])
    shown = [fact.text for fact in page.detail.measured.facts]
    assert any("71.40 s" in words and "over the turn" in words for words in shown)
    expiry = [fact.value for fact in page.detail.facts.facts if fact.text == "Commitment ends"]
    assert expiry == [], "no commitment, no end"
    page.table.choose(CONSUMERS[0])
    (ends,) = [fact.value for fact in page.detail.facts.facts if fact.text == "Commitment ends"]
    assert ends.startswith("in 2")


async def test_peers_are_shown_added_and_banned(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    page = network(attach(facade)).card
    assert len(page.model.rows) == 4
    page.address.setText("/ip4/198.51.100.9/tcp/4001/p2p/16Uiu2HAm")
    QTest.keyClick(page.address, Qt.Key.Key_Return)
    await until(lambda: "Connected" in page.said.text())
    assert facade.connected == ["/ip4/198.51.100.9/tcp/4001/p2p/16Uiu2HAm"]

    page.table.choose(PEERS[1])
    click(page.ban)
    assert facade.banned == []
    click(page.sheet.confirm)
    await until(lambda: facade.banned == [PEERS[1]])
    assert len(page.model.rows) == 3
    assert page.parts.button(BANNED).text() == "Banned (2)"


async def test_bans_say_why_and_until_when_and_are_lifted(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    window = attach(facade)
    page = network(window).card
    assert page.lift.isHidden(), "there is nothing to lift among the connected"
    click(page.parts.button(BANNED))
    assert page.address.isHidden()
    assert not page.lift.isEnabled()
    (ban,) = page.bans.rows
    _, why, ends = (column.cell(ban).text for column in page.bans.columns)
    assert why == "flood"
    assert ends.endswith("left")
    page.banned.choose(ban.peer)
    click(page.lift)
    await until(lambda: not page.bans.rows)
    assert facade.now.bans == ()
    assert page.parts.button(BANNED).text() == "Banned (0)"
    assert not page.lift.isEnabled()


async def test_what_was_dropped_is_told_by_reason_and_goes_on_counting(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    window = attach(facade)
    page = network(window)
    click(page.card.parts.button(DROPPED))
    assert [(line.reason, line.count) for line in page.card.drops.rows] == [
        ("flood", 812), ("malformed", 14), ("stale", 3), ("full", 1)
    ]  # fmt: skip
    facade.now = replace(facade.now, drops=replace(facade.now.drops, streams=20_000))
    page.tick()  # drops are no event
    assert page.dropped.figure.text() == "20,830"
    assert page.card.parts.button(DROPPED).text() == "Dropped (20,830)"
    assert page.card.drops.rows[0].reason == "streams"


def test_every_reason_for_dropping_has_its_words() -> None:
    assert WORDS.keys() == {field.name for field in fields(Drops)}


async def test_an_address_where_nobody_answers_is_told_beside_it(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    facade.connect_error = NetworkDown("Nobody answers at that address.")
    page = network(attach(facade)).card
    page.address.setText("<b>no address</b>")
    click(page.add)
    await until(lambda: NetworkDown.code in page.said.text())
    assert page.address.text() == "<b>no address</b>", "what was typed can be corrected"
    assert page.add.isEnabled()
    assert page.said.textFormat() is Qt.TextFormat.PlainText

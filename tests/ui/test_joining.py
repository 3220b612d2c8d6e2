"""First run: from nothing to a running node, left and taken up again; and out of the demo."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton

from gpn_desktop.core.errors import AddressWrong, BadOption, ChainUnreachable, ContractMissing, NotSetUp
from gpn_desktop.core.health import Level
from gpn_desktop.services.desk import Desk
from gpn_desktop.services.facade import Facade
from gpn_desktop.ui.app import Desktop
from gpn_desktop.ui.opening import Opening, Start
from gpn_desktop.ui.pages.joining import JoinCard
from gpn_desktop.ui.shell import Shell
from gpn_desktop.ui.story import Story
from gpn_desktop.ui.theme import Theme
from tests.ui.conftest import until
from tests.ui.fake import FakeFacade, demo_view
from tests.ui.fake_desk import CONTRACT, ENDPOINT, joining_desk
from tests.unit.services.test_wallet import SECRET, Backend


class Machine:
    """A window on a machine where the node starts once a network was chosen, beside a demo."""

    def __init__(self, qapp: QApplication, desk: Desk) -> None:
        self.desk = desk
        self.node, self.demo_node = FakeFacade(demo_view()), FakeFacade(demo_view())
        self.starts = 0
        demo = Opening(self.demo, story=Story(), offer="Try the demo network", title="Demo")
        own = Opening(self.own, offer="Join a network", title="Own")
        self.run = Desktop(Shell(Theme(qapp)), own, demo, Start(desk, furnish=self.furnish))
        self.window = self.run.window
        self.furnished = False
        self.ended = asyncio.ensure_future(self.run.run())

    async def furnish(self, desk: Desk) -> None:
        self.furnished = True

    async def own(self) -> Facade:
        self.starts += 1
        assert self.desk.joining is not None
        assert self.desk.wallet is not None
        if not (await self.desk.joining.look()).endpoint:
            raise NotSetUp("No network is named.")
        await self.desk.wallet.load()
        return self.node

    async def demo(self) -> Facade:
        return self.demo_node

    async def card(self) -> JoinCard:
        await until(lambda: self.window.start_page.join is not None)
        join = self.window.start_page.join
        assert join is not None
        await until(lambda: join.way is not None and join.isVisible())
        return join

    async def close(self) -> int:
        self.window.quit_now()
        return await self.ended


def click(widget: QPushButton) -> None:
    assert widget.isVisible()
    assert widget.isEnabled()
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


async def test_two_clicks_to_a_demo_and_back_to_a_network(qapp: QApplication, tmp_path: Path) -> None:
    machine = Machine(qapp, joining_desk(tmp_path))
    await machine.card()
    assert machine.furnished
    window = machine.window
    click(window.start_page.instead)
    await until(lambda: "home" in window.pages)
    assert not window.sidebar.buttons["demo"].isHidden()
    window.go_to("join")
    join = await machine.card()
    assert machine.demo_node.closed == 1
    assert machine.demo_node.watchers == set()
    assert window.sidebar.buttons["demo"].isHidden()
    assert not window.sidebar.buttons["jobs"].isEnabled()
    assert not window.strip.pause.isVisible()
    assert join.rows["key"].act.text() == "Set up the key"
    assert window.start_page.instead.isVisible()
    assert await machine.close() == 0


async def test_the_way_to_a_network_is_left_and_taken_up_again(qapp: QApplication, tmp_path: Path) -> None:
    backend = Backend()
    machine = Machine(qapp, joining_desk(tmp_path, backend))
    join = await machine.card()
    assert not join.rows["start"].act.isEnabled()
    click(join.rows["key"].act)
    assert machine.window.current == "wallet"
    assert machine.desk.wallet is not None
    await machine.desk.wallet.import_hex(SECRET)
    machine.window.go("home")
    await until(lambda: join.rows["key"].words.text().startswith("0xf39f"))
    assert join.rows["backup"].act.text() == "Back it up"
    assert join.rows["network"].act.property("kind") == "primary"
    assert machine.window.start_page.instead.property("kind") == ""
    assert await machine.close() == 0

    again = Machine(qapp, joining_desk(tmp_path, backend))
    join = await again.card()
    assert join.rows["key"].words.text().startswith("0xf39f")
    click(join.rows["network"].act)
    join.form.input("endpoint").setText("wss://nobody.example")
    join.form.input("contract").setText(CONTRACT)
    click(join.form.confirm)
    await until(lambda: "GPN-1301" in join.form.answer.text())
    join.form.input("endpoint").setText(ENDPOINT)
    click(join.form.confirm)
    await until(lambda: join.rows["start"].act.isEnabled())
    assert "17000" in join.rows["network"].words.text()
    assert "key" not in join.rows["network"].words.text()
    written = (tmp_path / "config.toml").read_text()
    assert ENDPOINT in written
    assert "id = 17000" in written
    click(join.rows["start"].act)
    await until(lambda: "home" in again.window.pages)
    assert again.starts == 2
    assert any("backup" in banner.text for banner in again.window.banners.shown)
    assert await again.close() == 0


async def test_a_bad_check_leads_to_what_to_do(qapp: QApplication, tmp_path: Path) -> None:
    machine = Machine(qapp, joining_desk(tmp_path))
    join = await machine.card()
    click(join.rows["checks"].act)
    await until(lambda: machine.window.current == "health")
    machine.window.go("home")
    await until(lambda: join.way is not None and join.way.checked is Level.BAD)
    assert "Logs & health" in join.rows["checks"].words.text()
    await machine.close()


async def test_the_node_is_restarted_with_new_settings(qapp: QApplication, tmp_path: Path) -> None:
    desk = joining_desk(tmp_path)
    assert desk.joining is not None
    assert desk.wallet is not None
    assert desk.preferences is not None
    await desk.wallet.import_hex(SECRET)
    await desk.joining.choose_network(ENDPOINT, CONTRACT)
    machine = Machine(qapp, desk)
    await until(lambda: "home" in machine.window.pages)
    restart = desk.preferences.doors.restart
    assert restart is not None
    machine.window.go("settings")
    await restart()
    await until(lambda: machine.starts == 2 and "home" in machine.window.pages)
    assert machine.node.closed == 1
    assert machine.window.strip.pause.isVisible()
    assert await machine.close() == 0
    assert machine.node.closed == 2


@pytest.mark.parametrize(
    ("endpoint", "contract", "error"),
    [
        ("wss://nobody.example", CONTRACT, ChainUnreachable),
        ("one.example", CONTRACT, BadOption),
        ("", CONTRACT, BadOption),
        (ENDPOINT, "0x5FbDB231", AddressWrong),
        (ENDPOINT, CONTRACT.replace("5FbD", "5fBD"), AddressWrong),
        (ENDPOINT, "0x" + "11" * 20, ContractMissing),
    ],
)
async def test_what_is_no_network_changes_nothing(
    tmp_path: Path, endpoint: str, contract: str, error: type[Exception]
) -> None:
    desk = joining_desk(tmp_path)
    assert desk.joining is not None
    with pytest.raises(error):
        await desk.joining.choose_network(endpoint, contract)
    assert not (tmp_path / "config.toml").exists()
    assert not (await desk.joining.look()).begun

"""The wallet through its page: each form with the real service behind it, and no secret left in a widget."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QPlainTextEdit, QPushButton

from gpn_desktop.core.types import Address, Wei, hex0x
from gpn_desktop.ports.chain import TxRecord, TxState
from gpn_desktop.services.account import Funds
from gpn_desktop.services.desk import Desk
from gpn_desktop.services.wallet import Wallet
from gpn_desktop.ui.pages.wallet import WalletPage
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.window import MainWindow
from tests.ui.conftest import until
from tests.ui.fake import FakeFacade, demo_view, hash32
from tests.unit.services.test_wallet import ADDRESS, PASSPHRASE, SECRET, WORDS, Backend, wallet_in

TO = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


class FakeAccount:
    def __init__(self) -> None:
        self.sent: list[tuple[Address, Wei]] = []

    async def funds(self) -> Funds:
        return Funds(Wei(2 * 10**18), Wei(10**15))

    async def transactions(self, limit: int = 200) -> list[TxRecord]:
        return [
            TxRecord("settle:77", 3, hash32("tx"), b"", TxState.MINED, block=18_400, fee=42 * 10**13),
            TxRecord("commit:12:34", 2, hash32("ty"), b"", TxState.REVERTED, error="NotEligible"),
        ]

    async def send(self, to: Address, amount: Wei) -> None:
        self.sent.append((to, amount))


Opened = Callable[..., tuple[MainWindow, WalletPage]]


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def wallet(tmp_path: Path, backend: Backend) -> Wallet:
    return wallet_in(tmp_path, backend)


@pytest_asyncio.fixture
async def opened(theme: Theme, wallet: Wallet) -> AsyncIterator[Opened]:
    windows = []

    def open_window(facade: FakeFacade | None = None) -> tuple[MainWindow, WalletPage]:
        window = MainWindow(theme, "GPN Desktop", desk=Desk(wallet=wallet))
        windows.append(window)
        window.show()
        if facade is not None:
            window.attach(facade)
        window.go("wallet")
        page = window.pages["wallet"]
        assert isinstance(page, WalletPage)
        return window, page

    yield open_window
    for window in windows:
        await window.tasks.aclose()
        window.finish()


def click(widget: QPushButton) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def menu(page: WalletPage, at: QPushButton, words: str) -> None:
    click(at)
    (entry,) = [action for action in page.menu.actions() if words in action.text()]
    entry.trigger()
    page.menu.close()


def fill(page: WalletPage, **values: str) -> None:
    for key, value in values.items():
        made = page.form.input(key)
        made.setPlainText(value) if isinstance(made, QPlainTextEdit) else made.setText(value)
    click(page.form.confirm)


def typed(window: MainWindow) -> str:
    lines = [line.text() for line in window.findChildren(QLineEdit)]
    return " ".join(lines + [block.toPlainText() for block in window.findChildren(QPlainTextEdit)])


async def test_a_key_is_made_before_there_is_a_node_and_backed_up(
    opened: Opened, wallet: Wallet, tmp_path: Path
) -> None:
    window, page = opened()
    await until(lambda: page.main.text() == "Create a key" and page._looking is None)
    click(page.main)
    await until(lambda: page.form.isVisible())
    words = [word for word in page.form.input("words").toPlainText().split() if not word.isdigit()]
    assert len(words) == 12
    fill(page, word3="wrong", word8=words[8])
    await until(lambda: "Word 4 is another one" in page.form.answer.text())
    assert wallet.state.address is None
    fill(page, word3=words[3], word8=words[8])
    await until(lambda: "Made" in page.form.state.text())
    assert words[5] not in typed(window)
    await until(lambda: page.main.text() == "Back up ▾")
    click(page.form.cancel)

    menu(page, page.main, "Export")
    fill(page, path=str(tmp_path / "out.json"), new=PASSPHRASE, again=PASSPHRASE + "x")
    await until(lambda: "GPN-2004" in page.form.answer.text())
    fill(page, again=PASSPHRASE)
    await until(lambda: "Written" in page.form.state.text())
    assert page.backup.figure.text() == "Not tested"
    click(page.form.cancel)
    menu(page, page.main, "Test a keystore")
    fill(page, path=str(tmp_path / "out.json"), secret="wrong horse battery")
    await until(lambda: "GPN-1121" in page.form.answer.text())
    fill(page, secret=PASSPHRASE)
    await until(lambda: page.backup.figure.text() == "Tested")
    assert not page.main.isVisible(), "there is nothing left to do"
    assert PASSPHRASE not in typed(window)


@pytest.mark.parametrize(
    ("entry", "values"),
    [("Import words", {"words": WORDS}), ("Import a private key", {"key": SECRET})],
)
async def test_keys_come_in(opened: Opened, wallet: Wallet, entry: str, values: dict[str, str]) -> None:
    window, page = opened()
    await until(lambda: page._looking is None)
    menu(page, page.more, entry)
    fill(page, **values)
    await until(lambda: "Imported" in page.form.state.text())
    assert hex0x(wallet.state.address or b"") == ADDRESS
    for secret in values.values():
        assert secret not in typed(window)
    assert page.facts.facts[0].value == ADDRESS


async def test_a_keystore_comes_in_from_its_file(opened: Opened, wallet: Wallet, tmp_path: Path) -> None:
    other = wallet_in(tmp_path / "other", Backend())
    await other.import_hex(SECRET)
    await other.export_keystore(tmp_path / "theirs.json", PASSPHRASE)
    _, page = opened()
    await until(lambda: page._looking is None)
    menu(page, page.more, "Import a keystore")
    fill(page, path=str(tmp_path / "nowhere.json"), secret=PASSPHRASE)
    await until(lambda: "GPN-1102" in page.form.answer.text())
    (tmp_path / "broken.json").write_text(json.dumps({"version": 3, "crypto": {}}))
    fill(page, path=str(tmp_path / "broken.json"))
    await until(lambda: "GPN-1103" in page.form.answer.text())
    fill(page, path=str(tmp_path / "theirs.json"))
    await until(lambda: "Imported" in page.form.state.text())
    assert wallet.state.backed_up


async def test_what_is_missing_is_named_and_escape_forgets(opened: Opened) -> None:
    window, page = opened()
    await until(lambda: page._looking is None)
    menu(page, page.more, "Import a private key")
    click(page.form.confirm)
    assert "Private key" in page.form.answer.text()
    page.form.input("key").setText(SECRET)
    QTest.keyClick(page.form, Qt.Key.Key_Escape)
    assert not page.form.isVisible()
    assert SECRET not in typed(window)


async def test_without_a_keyring_the_wallet_locks(opened: Opened, wallet: Wallet, backend: Backend) -> None:
    backend.locked = True
    _, page = opened()
    await until(lambda: bool(wallet.state.why) and page._looking is None)
    menu(page, page.more, "Import a private key")
    fill(page, key=SECRET, new=PASSPHRASE, again=PASSPHRASE)
    await until(lambda: "Imported" in page.form.state.text())
    click(page.form.cancel)
    menu(page, page.more, "Lock")
    assert page.main.text() == "Unlock"
    click(page.main)
    fill(page, secret=PASSPHRASE)
    await until(lambda: "Unlocked" in page.form.state.text())
    assert not wallet.state.locked


async def test_a_keyring_that_asks_somebody_is_waited_for_in_sight(
    opened: Opened, wallet: Wallet, backend: Backend
) -> None:
    backend.answers.clear()
    _, page = opened()
    await until(lambda: page._looking is not None)
    page.tick()
    page.tick()
    assert "2 s" in page.subtitle.text()
    backend.answers.set()
    await until(lambda: page._looking is None)
    assert "needs a key" in page.subtitle.text()


async def test_money_is_sent_to_a_checked_address_only(opened: Opened) -> None:
    facade = FakeFacade(demo_view())
    account = FakeAccount()
    facade.account = account
    _, page = opened(facade)
    await until(lambda: page.balance.figure.text() == "2.0000")
    assert [record.intent for record in page.model.rows] == ["settle:77", "commit:12:34"]
    click(page.send)
    fill(page, to=TO.replace("5aA", "5aa"), amount="0.25")
    await until(lambda: "GPN-2001" in page.form.answer.text())
    fill(page, to=TO.lower())
    await until(lambda: "no checksum" in page.form.answer.text())
    fill(page, to=TO, amount="1.2.3")
    await until(lambda: "GPN-2002" in page.form.answer.text())
    assert account.sent == []
    fill(page, amount="0.25")
    await until(lambda: "sent to" in page.form.state.text())
    assert account.sent == [(Address(bytes.fromhex(TO[2:])), 25 * 10**16)]

    click(page.form.cancel)
    click(page.send)
    page.form.input("all").setChecked(True)
    fill(page, to=TO)
    await until(lambda: len(account.sent) == 2)
    assert account.sent[1][1] == 2 * 10**18 - 10**15

"""The Settings page over the real settings file: edits, what is refused, and what takes effect when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QMainWindow, QTableView, QWidget

from gpn_desktop import config
from gpn_desktop.adapters.gpu import MemorySensors
from gpn_desktop.adapters.system.autostart import FileAutostart
from gpn_desktop.adapters.system.clock import SystemClock
from gpn_desktop.adapters.system.machine import MemoryMachine
from gpn_desktop.adapters.system.preferences import FileDocument, MemoryDocument, TomlFile
from gpn_desktop.config_edit import ConfigTable
from gpn_desktop.core.errors import ChainUnreachable, ClusterNotSetUp
from gpn_desktop.core.gpus import Gpu
from gpn_desktop.core.pausing import Rules, Window
from gpn_desktop.ports.cluster import WorkerState, WorkerView
from gpn_desktop.ports.preferences import EndpointFound
from gpn_desktop.services.desk import Desk
from gpn_desktop.services.pausing import Pausing
from gpn_desktop.services.preferences import Doors, Look, Notice, Preferences
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.pages.settings import SettingsPage
from gpn_desktop.ui.pages.settings_advanced import AdvancedSection
from gpn_desktop.ui.pages.settings_chain import ChainSection
from gpn_desktop.ui.pages.settings_fields import SettingField
from gpn_desktop.ui.pages.settings_general import GeneralSection, NotificationsSection, Section
from gpn_desktop.ui.pages.settings_machines import MachinesSection
from gpn_desktop.ui.pages.settings_rules import RulesSection, minutes
from gpn_desktop.ui.tasks import Tasks
from gpn_desktop.ui.theme import DARK, LIGHT, Theme
from tests.ui.conftest import until
from tests.ui.fake import FakeFacade, demo_view

TEXT = (
    '# mine\n[chain]\napi = ["wss://one.example", "wss://two.example"]\nid = 5\n\n[limits]\nmemory_gib = 16\n'
)


def full(path: Path, text: str) -> None:
    raise OSError(28, "No space left on device")


class Node(FakeFacade):
    def __init__(self, pausing: Pausing | None) -> None:
        super().__init__(demo_view())
        self.pausing = pausing


class Desktop:
    """A window with the page in it, its settings in a folder of the test's own."""

    def __init__(
        self,
        theme: Theme,
        folder: Path,
        text: str,
        env: dict[str, str],
        full_disk: bool = False,
        pausing: Pausing | None = None,
    ) -> None:
        self.path = folder / "config.toml"
        self.path.write_text(text)
        self.errors: list[BaseException] = []
        self.restarts = 0
        self.preferences = Preferences(
            ConfigTable(self.path, {}, env),
            TomlFile(self.path, full) if full_disk else TomlFile(self.path),
            FileDocument(folder / "window.json"),
            Doors(self.check, self.invite, self.restart, FileAutostart(folder / "at login", "x")),
        )
        self.theme = theme
        self.tasks = Tasks(self.errors.append)
        node = Node(pausing)
        desk = Desk(preferences=self.preferences)
        context = PageContext(node, self.tasks, theme, lambda key: None, None, desk)  # type: ignore[arg-type]
        self.page = SettingsPage(context)
        self.window = QMainWindow()
        self.window.setCentralWidget(self.page)
        self.window.resize(1072, 768)
        self.window.show()
        self.window.activateWindow()

    async def check(self, url: str) -> EndpointFound:
        if "two" in url:
            raise ChainUnreachable("two.example does not answer.")
        return EndpointFound(5 if "one" in url else 6, 1234)

    async def invite(self) -> str:
        if not self.preferences.ui.close_to_tray:
            raise ClusterNotSetUp("This machine has no cluster yet.")
        return "gpn1-abc"

    async def restart(self) -> None:
        self.restarts += 1
        self.preferences.node_started()

    async def open(self, key: str) -> Section:
        self.page.opened()
        await until(lambda: self.page.draft.view is not None)
        self.page.open_section(key)
        await asyncio.sleep(0)
        return self.page.sections[key]

    def field(self, section: Section, key: str) -> SettingField:
        return next(field for field in section.findChildren(SettingField) if field.key == key)

    def type(self, field: SettingField, words: str) -> None:
        edit = field.control
        assert isinstance(edit, QLineEdit)
        edit.setFocus()
        edit.selectAll()
        QTest.keyClicks(edit, words) if words else QTest.keyClick(edit, Qt.Key.Key_Delete)


Open = Callable[..., Desktop]


@pytest_asyncio.fixture
async def open_page(theme: Theme, tmp_path: Path) -> AsyncIterator[Open]:
    made: list[Desktop] = []

    def opened(
        text: str = TEXT,
        env: dict[str, str] | None = None,
        full_disk: bool = False,
        pausing: Pausing | None = None,
    ) -> Desktop:
        made.append(Desktop(theme, tmp_path, text, env or {}, full_disk, pausing))
        return made[-1]

    yield opened
    for desktop in made:
        await desktop.tasks.aclose()
        desktop.window.close()
        desktop.window.deleteLater()


@pytest.fixture(autouse=True)
def dark_again(theme: Theme) -> Iterator[None]:
    yield
    theme.use(DARK)


@pytest_asyncio.fixture
async def pausing() -> Pausing:
    async def stop() -> None:
        raise AssertionError("settings stop nothing")

    made = Pausing(
        MemoryMachine(zone=ZoneInfo("Europe/Berlin")), SystemClock(), MemoryDocument(), lambda *_: None, stop,
        MemorySensors((Gpu(0, "GPU-a", "RTX 4090", 0, ""),)),
    )  # fmt: skip
    await made.load()
    return made


async def test_what_is_edited_and_applied_is_in_the_file(open_page: Open) -> None:
    desktop = open_page()
    limits = await desktop.open("limits")
    bar = desktop.page.bar
    assert bar.isHidden()
    desktop.type(desktop.field(limits, "limits.memory_gib"), "32")
    desktop.type(desktop.field(limits, "limits.pids"), "200")
    assert bar.state.text() == "2 changes not applied yet"
    assert "restart" in bar.words.text()
    bar.apply.click()
    await until(lambda: "restart" in bar.state.text())
    loaded = config.load(env={}, file=desktop.path)
    assert (loaded.memory_gib, loaded.pids) == (32, 200)
    assert desktop.path.read_text().startswith("# mine\n")
    assert bar.words.text() == "limits.memory_gib, limits.pids"
    bar.restart.click()
    await until(lambda: desktop.restarts == 1 and bar.isHidden())


async def test_reverting_leaves_the_file_alone(open_page: Open) -> None:
    desktop = open_page()
    limits = await desktop.open("limits")
    field = desktop.field(limits, "limits.memory_gib")
    desktop.type(field, "64")
    desktop.page.bar.revert.click()
    assert isinstance(field.control, QLineEdit)
    assert field.control.text() == "16"
    assert desktop.page.bar.isHidden()
    assert desktop.path.read_text() == TEXT
    desktop.type(field, "64")
    desktop.type(field, "16")  # typed back is no change either
    assert desktop.page.bar.isHidden()


async def test_a_wrong_value_is_said_at_its_place_and_cannot_be_applied(open_page: Open) -> None:
    desktop = open_page()
    limits = await desktop.open("limits")
    field = desktop.field(limits, "limits.memory_gib")
    desktop.type(field, "many")
    assert field.problem == "A whole number is expected. [GPN-2041]"
    assert not desktop.page.bar.apply.isEnabled()
    desktop.type(field, "8")
    assert field.problem == ""
    assert desktop.page.bar.apply.isEnabled()
    desktop.type(field, "")
    desktop.page.bar.apply.click()
    await until(lambda: "memory_gib" not in desktop.path.read_text())


async def test_what_does_not_go_together_is_refused_whole(open_page: Open) -> None:
    desktop = open_page()
    advanced = await desktop.open("advanced")
    assert isinstance(advanced, AdvancedSection)
    advanced.search.setText("grpc.host")
    assert [row.key for row in advanced.model.rows] == ["grpc.host"]
    assert advanced.field is not None
    desktop.type(advanced.field, "0.0.0.0")
    desktop.page.bar.apply.click()
    await until(lambda: desktop.page.bar.state.text() == "Not applied")
    assert "is public" in desktop.page.bar.words.text()
    assert "GPN-2041" in desktop.page.bar.words.text()
    assert desktop.path.read_text() == TEXT
    assert desktop.page.draft.edits == {"grpc.host": "0.0.0.0"}


async def test_a_full_disk_keeps_the_edits(open_page: Open) -> None:
    desktop = open_page(full_disk=True)
    limits = await desktop.open("limits")
    desktop.type(desktop.field(limits, "limits.pids"), "200")
    desktop.page.bar.apply.click()
    await until(lambda: "GPN-2042" in desktop.page.bar.words.text())
    assert desktop.page.draft.edits == {"limits.pids": "200"}
    assert desktop.page.bar.apply.isEnabled()
    assert desktop.path.read_text() == TEXT


async def test_the_environment_is_named_and_cannot_be_edited(open_page: Open) -> None:
    desktop = open_page(env={"GPN_PIDS": "99", "ETHEREUM_API": "wss://three.example"})
    limits = await desktop.open("limits")
    field = desktop.field(limits, "limits.pids")
    assert not field.control.isEnabled()
    assert "GPN_PIDS" in field.note
    chain = await desktop.open("chain")
    assert isinstance(chain, ChainSection)
    assert [row.url for row in chain.endpoints] == ["wss://three.example"]
    assert not chain.endpoints[0].edit.isEnabled()
    assert not chain.add.isEnabled()
    assert "ETHEREUM_API" in chain.source.text()


@pytest.mark.parametrize("text", ["[grpc", "grpc = 1"])
async def test_a_file_that_cannot_be_read_is_said_until_it_can(open_page: Open, text: str) -> None:
    desktop = open_page(text)
    desktop.page.opened()
    await until(lambda: desktop.page.draft.view is not None)
    desktop.page.open_section("limits")
    assert desktop.page.stack.currentWidget() is desktop.page.failed
    assert "GPN-2040" in desktop.page.failure.words.text()
    desktop.page.open_section("notifications")
    assert desktop.page.stack.currentWidget() is not desktop.page.failed
    desktop.page.open_section("limits")
    desktop.path.write_text(TEXT)
    desktop.page.failure.again.click()
    await until(lambda: "limits" in desktop.page.sections)


async def test_an_error_that_was_there_before_is_said(open_page: Open) -> None:
    desktop = open_page("[grpc]\nprot = 1\n")
    await desktop.open("general")
    assert "the node will not start" in desktop.page.bar.state.text()
    assert "grpc.prot" in desktop.page.bar.words.text()


async def test_endpoints_are_added_moved_removed_and_tried(open_page: Open) -> None:
    desktop = open_page()
    chain = await desktop.open("chain")
    assert isinstance(chain, ChainSection)
    chain.endpoints[0].test.click()
    chain.endpoints[1].test.click()
    await until(lambda: "Answers" in chain.endpoints[0].state.text())
    assert chain.endpoints[0].state.text() == "Answers: chain 5, block 1,234."
    await until(lambda: "GPN-1301" in chain.endpoints[1].state.text())
    chain.endpoints[1].up.click()
    assert [row.url for row in chain.endpoints] == ["wss://two.example", "wss://one.example"]
    assert not chain.endpoints[0].up.isEnabled()
    chain.add.click()
    assert len(chain.endpoints) == 3
    last = chain.endpoints[2]
    assert desktop.window.focusWidget() is last.edit
    QTest.keyClicks(last.edit, "ftp://x")
    assert "URL is expected" in last.state.text()
    assert not desktop.page.bar.apply.isEnabled()
    last.edit.selectAll()
    QTest.keyClicks(last.edit, "wss://six.example")
    last.test.click()
    await until(lambda: "Serves chain 6" in last.state.text())
    chain.endpoints[0].remove.click()
    desktop.page.bar.apply.click()
    await until(lambda: "six" in desktop.path.read_text())
    loaded = config.load(env={}, file=desktop.path)
    assert loaded.ethereum_api == ("wss://one.example", "wss://six.example")


async def test_the_windows_own_preferences_take_effect_at_once(open_page: Open) -> None:
    desktop = open_page()
    general = await desktop.open("general")
    assert isinstance(general, GeneralSection)
    general.look.setFocus()
    for _ in range(2):
        QTest.keyClick(general.look, Qt.Key.Key_Up)
    QTest.keyClick(general.look, Qt.Key.Key_Down)
    await until(lambda: desktop.preferences.ui.look is Look.LIGHT)
    assert desktop.theme.tokens is LIGHT
    await until(lambda: general.autostart.isEnabled())
    general.autostart.click()
    await until(lambda: (desktop.path.parent / "at login").exists())
    notifications = await desktop.open("notifications")
    assert isinstance(notifications, NotificationsSection)
    notifications.boxes[Notice.PAID].click()
    await until(lambda: not desktop.preferences.ui.notifies("paid"))
    assert desktop.preferences.ui.notifies("lost")
    await until(lambda: '"paid"' in (desktop.path.parent / "window.json").read_text())
    assert desktop.page.bar.isHidden()


async def test_autostart_that_fails_says_so(open_page: Open) -> None:
    desktop = open_page()
    (desktop.path.parent / "at login").mkdir()
    general = await desktop.open("general")
    assert isinstance(general, GeneralSection)
    await until(lambda: general.autostart.isEnabled())
    general.autostart.click()
    await until(lambda: "GPN-2045" in general._autostart_row.problem)
    await until(lambda: not general.autostart.isChecked())


async def test_pause_rules_are_edited_and_in_force_at_once(open_page: Open, pausing: Pausing) -> None:
    desktop = open_page(pausing=pausing)
    rules = await desktop.open("pausing")
    assert isinstance(rules, RulesSection)
    assert desktop.page.bar.isHidden()
    rules.add.click()
    row = rules.windows[0]
    assert row.next_day.text() == "of the next day"
    row.days[6].click()
    row.end.selectAll()
    QTest.keyClicks(row.end, "6:30")
    rules.battery.click()
    QTest.keyClicks(rules.programs, "blender, game.exe")
    QTest.keyClicks(rules.celsius, "82")
    rules.gpus["GPU-a"].click()
    assert "at once" in desktop.page.bar.words.text()
    desktop.page.bar.apply.click()
    wanted = Rules(
        (Window(frozenset(range(6)), 22 * 60, 6 * 60 + 30),), 0, ("blender", "game.exe"), True, 82,
        frozenset({"GPU-a"}),
    )  # fmt: skip
    await until(lambda: pausing.state().rules == wanted)
    await until(lambda: desktop.page.bar.state.text() == "Applied")
    assert "does not tell where its power" in rules.battery_row.note
    row.remove.click()
    desktop.page.bar.revert.click()
    assert len(rules.windows) == 1
    assert not rules.dirty


@pytest.mark.parametrize(
    ("edit", "words", "problem"),
    [
        ("celsius", "20", "between 40 and 110"),
        ("celsius", "hot", "whole number"),
        ("idle", "9999", "between 0 and 1440"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_said(
    open_page: Open, pausing: Pausing, edit: str, words: str, problem: str
) -> None:
    desktop = open_page(pausing=pausing)
    rules = await desktop.open("pausing")
    assert isinstance(rules, RulesSection)
    QTest.keyClicks(getattr(rules, edit), words)
    assert problem in desktop.page.bar.words.text()
    assert "GPN-2044" in desktop.page.bar.words.text()
    assert not desktop.page.bar.apply.isEnabled()


async def test_working_hours_need_a_day_and_times(open_page: Open, pausing: Pausing) -> None:
    desktop = open_page(pausing=pausing)
    rules = await desktop.open("pausing")
    assert isinstance(rules, RulesSection)
    rules.add.click()
    for day in rules.windows[0].days:
        day.click()
    assert "at least one day" in desktop.page.bar.words.text()
    rules.windows[0].start.setText("25:00")
    rules.windows[0].days[0].click()
    assert "times such as" in desktop.page.bar.words.text()
    rules.windows[0].remove.click()
    assert desktop.page.bar.isHidden()


def test_times() -> None:
    assert [minutes(t) for t in ("7:30", "07.30", "24:00", "24:01", "7", "7:60", "")] == [
        450, 450, 1440, None, None, None, None,
    ]  # fmt: skip


async def test_without_a_node_there_are_no_pause_rules(open_page: Open) -> None:
    desktop = open_page()
    await desktop.open("general")
    desktop.page.open_section("pausing")
    assert "pausing" not in desktop.page.sections


async def test_machines_are_shown_and_invited(open_page: Open) -> None:
    desktop = open_page()
    machines = await desktop.open("machines")
    assert isinstance(machines, MachinesSection)
    worker = WorkerView("attic", "tls://10.0.0.5:1", WorkerState.BUSY, 2, 2, 1, "0.1.0")
    desktop.page.refresh(replace(demo_view(), workers=(worker,)))
    assert [fact.value for fact in machines.machines.facts] == ["Full · 2 of 2 slots at work · 1 GPU"]
    machines.make.click()
    await until(lambda: machines.command.text() == "gpn-desktop worker --join gpn1-abc")
    assert machines.copy.value == machines.command.text()
    desktop.preferences.ui = replace(desktop.preferences.ui, close_to_tray=False)
    machines.make.click()
    await until(lambda: "has no cluster yet" in machines.state.text())
    assert machines.make.isEnabled()


async def test_advanced_has_every_setting_with_its_source(open_page: Open) -> None:
    desktop = open_page(env={"PORT": "7000"})
    advanced = await desktop.open("advanced")
    assert isinstance(advanced, AdvancedSection)
    assert {row.key for row in advanced.model.rows} == set(config.SETTINGS)
    shown = {}
    for at, row in enumerate(advanced.model.rows):
        shown[row.key] = [str(advanced.model.data(advanced.model.index(at, column))) for column in (1, 2)]
    assert shown["p2p.port"] == ["7000", "Environment"]
    assert shown["limits.memory_gib"] == ["16", "File"]
    assert shown["grpc.port"] == ["4411", "Default"]
    advanced.search.setText("no such thing")
    assert advanced.list.is_empty
    advanced.search.setText("tip")
    assert [row.key for row in advanced.model.rows] == ["chain.max_priority_gwei"]


async def test_by_keyboard_alone(open_page: Open) -> None:
    desktop = open_page()
    await desktop.open("general")
    page = desktop.page
    page.list.setFocus()
    QTest.keyClick(page.list, Qt.Key.Key_Down)
    QTest.keyClick(page.list, Qt.Key.Key_Down)
    limits = page.sections["limits"]
    field = desktop.field(limits, "limits.memory_gib")
    await tab_to(desktop, field.control)
    QTest.keyClicks(field.control, "9")
    await tab_to(desktop, page.bar.apply)
    QTest.keyClick(page.bar.apply, Qt.Key.Key_Space)
    await until(lambda: "memory_gib = 169" in desktop.path.read_text())


async def tab_to(desktop: Desktop, wanted: QWidget) -> None:
    for _ in range(60):
        focused = desktop.window.focusWidget()
        if focused is wanted:
            return
        QTest.keyClick(focused or desktop.window, Qt.Key.Key_Tab)
        await asyncio.sleep(0)
    pytest.fail("Tab does not lead there")


async def test_every_control_has_a_name(open_page: Open, pausing: Pausing) -> None:
    desktop = open_page(pausing=pausing)
    for key, _, _ in desktop.page._sections:
        section = await desktop.open(key)
        for kind in (QAbstractButton, QLineEdit, QComboBox, QTableView):
            for control in section.findChildren(kind):
                inside = isinstance(control.parent(), QLineEdit | QTableView)  # Qt's own clear button, corner
                assert inside or control.accessibleName(), (key, control)


async def test_without_settings_the_page_says_so(theme: Theme) -> None:
    context = PageContext(None, Tasks(print), theme, lambda key: None)
    page = SettingsPage(context)
    page.opened()
    page.refresh(demo_view())
    assert not page.open_search()
    page.deleteLater()

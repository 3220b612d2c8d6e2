"""Settings are checked before a byte is written, and what was wrong before does not stand in the way."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gpn_desktop import config
from gpn_desktop.adapters.system.preferences import FileDocument, TomlFile
from gpn_desktop.config_edit import ConfigTable
from gpn_desktop.core.errors import SettingsNotWritten, SettingsRefused, SettingsUnreadable
from gpn_desktop.ports.preferences import SettingKind, Source
from gpn_desktop.services.preferences import Look, Notice, Preferences, UiPreferences, read_ui, write_ui

CHANGES = {
    "node.mode": "testing",
    "node.consumers": "acme/prover, 0x" + "11" * 20,
    "node.roles": "verify",
    "chain.api": "https://one.example, wss://two.example",
    "chain.stake": "0.5",
    "chain.id": "11155111",
    "chain.max_fee_gwei": "1.5",
    "grpc.port": "5000",
    "limits.gpus": "all",
    "node.auto_claim": "true",
}


def preferences(folder: Path, text: str = "", env: dict[str, str] | None = None) -> Preferences:
    path = folder / "config.toml"
    if text:
        path.write_text(text)
    return Preferences(ConfigTable(path, {}, env or {}), TomlFile(path), FileDocument(folder / "window.json"))


async def test_what_is_applied_is_what_the_node_starts_with(tmp_path: Path) -> None:
    made = preferences(tmp_path)
    view = await made.apply(CHANGES)
    assert set(view.restart) == set(CHANGES)
    loaded = config.load(env={}, file=tmp_path / "config.toml")
    assert loaded.grpc_port == 5000
    assert loaded.stake == 5 * 10**17
    assert loaded.ethereum_api == ("https://one.example", "wss://two.example")
    assert loaded.gpus == ("all",)
    assert loaded.auto_claim
    for key, value in CHANGES.items():
        assert view.row(key).value == value
        assert view.row(key).source is Source.FILE
    back = await made.apply(dict.fromkeys(CHANGES, ""))
    assert back.restart == ()
    assert config.load(env={}, file=tmp_path / "config.toml") == config.NodeConfig()


async def test_every_setting_can_be_written_as_it_is_shown(tmp_path: Path) -> None:
    made = preferences(tmp_path)
    before = await made.read()
    changes = {row.key: row.value for row in before.rows if row.value}
    assert len(changes) > 25
    after = await made.apply(changes)
    assert after.restart == ()
    assert after.problems == ()
    assert config.load(env={}, file=tmp_path / "config.toml") == config.NodeConfig()
    kinds = {row.key: row.kind for row in after.rows}
    assert kinds["node.mode"] is SettingKind.CHOICE
    assert kinds["chain.id"] is SettingKind.NUMBER
    assert kinds["chain.api"] is SettingKind.LIST
    assert kinds["grpc.behind_proxy"] is SettingKind.FLAG


async def test_a_value_that_cannot_be_used_writes_nothing(tmp_path: Path) -> None:
    made = preferences(tmp_path, "[grpc]\nport = 4411\n")
    with pytest.raises(SettingsRefused, match=r"grpc\.port: it must be between 0 and 65535.*GPN-2041"):
        await made.apply({"grpc.port": "99999", "p2p.port": "1"})
    with pytest.raises(SettingsRefused, match=r"grpc\.host .*is public"):
        await made.apply({"grpc.host": "0.0.0.0"})
    assert (tmp_path / "config.toml").read_text() == "[grpc]\nport = 4411\n"


async def test_what_was_wrong_before_stays_and_is_said(tmp_path: Path) -> None:
    text = '[grpc]\nport = "many"\nprot = 1\n\n[limits]\ncapacity = true\n'
    made = preferences(tmp_path, text)
    view = await made.read()
    assert len(view.problems) == 3
    assert view.row("grpc.port").problem == "a whole number is expected"
    after = await made.apply({"p2p.port": "4000"})
    assert len(after.problems) == 3
    mended = await made.apply({"grpc.port": "4411", "limits.capacity": ""})
    assert mended.problems == (f"grpc.prot ({tmp_path / 'config.toml'}): there is no such setting.",)
    assert "prot = 1" in (tmp_path / "config.toml").read_text()


@pytest.mark.parametrize("text", ["[grpc", "grpc = 1", "\x00\x01"])
async def test_a_file_that_is_none_is_an_error_with_a_code(text: str, tmp_path: Path) -> None:
    made = preferences(tmp_path, text)
    view = await made.read()
    assert isinstance(view.error, SettingsUnreadable)
    assert view.rows == ()
    with pytest.raises(SettingsUnreadable):
        await made.apply({"grpc.port": "1"})
    assert (tmp_path / "config.toml").read_text() == text


async def test_a_directory_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    (tmp_path / "window.json").mkdir()
    made = preferences(tmp_path)
    assert made.ui == UiPreferences()
    assert (await made.read()).error is not None
    with pytest.raises(SettingsNotWritten):
        await made.set_ui(UiPreferences(look=Look.DARK))
    assert made.ui.look is Look.DARK  # in force all the same


async def test_the_environment_overrules_and_is_named(tmp_path: Path) -> None:
    made = preferences(tmp_path, "[p2p]\nport = 1\n", {"PORT": "7000", "GPN_CONFIG": "x"})
    row = (await made.read()).row("p2p.port")
    assert (row.value, row.source, row.given_by, row.locked) == ("7000", Source.ENVIRONMENT, "PORT", True)
    by_option = ConfigTable(tmp_path / "config.toml", {"p2p.port": "8000"}, {"PORT": "7000"})
    row = next(row for row in by_option.rows("") if row.key == "p2p.port")
    assert (row.value, row.source, row.given_by) == ("8000", Source.COMMAND_LINE, "--p2p-port")


async def test_only_a_restart_takes_settings_up(tmp_path: Path) -> None:
    made = preferences(tmp_path)
    await made.read()
    assert (await made.apply({"p2p.port": "1"})).restart == ("p2p.port",)
    assert (await made.read()).restart == ("p2p.port",)
    made.node_started()
    assert (await made.read()).restart == ()


async def test_the_windows_preferences_are_kept_and_told(tmp_path: Path) -> None:
    made = preferences(tmp_path)
    told = []
    undo = made.subscribe(lambda: told.append(made.ui.look))
    wanted = UiPreferences(Look.LIGHT, "de", frozenset({Notice.ALERT}), close_to_tray=False, motion=False)
    await made.set_ui(wanted)
    await made.set_ui(wanted)
    undo()
    assert told == [Look.LIGHT]
    assert preferences(tmp_path).ui == wanted
    assert not wanted.notifies("alert")
    assert wanted.notifies("paid")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", UiPreferences()),
        ("{", UiPreferences()),
        ("[1]", UiPreferences()),
        ('{"look": "pink", "language": 5, "close_to_tray": false}', UiPreferences(close_to_tray=False)),
        ('{"muted": 5, "motion": "no", "look": ["x"]}', UiPreferences()),
        ('{"muted": ["alert", "unheard of"]}', UiPreferences()),
        (write_ui(UiPreferences()).replace("}", ', "later": 1}'), UiPreferences()),
    ],
)
def test_damaged_preferences_keep_no_window_closed(text: str, left: UiPreferences) -> None:
    assert read_ui(text) == left


def test_they_are_read_before_the_first_paint(tmp_path: Path) -> None:
    (tmp_path / "window.json").write_text(write_ui(UiPreferences(look=Look.DARK)))
    document = FileDocument(tmp_path / "window.json")
    best = 1.0
    for _ in range(20):
        begun = time.perf_counter()
        assert read_ui(document.read_now()).look is Look.DARK
        best = min(best, time.perf_counter() - begun)
    assert best < 0.005

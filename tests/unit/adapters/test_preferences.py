"""The settings file on disk, hostile ones too; and what starts at login."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path

import pytest

from gpn_desktop.adapters.files import replace_file
from gpn_desktop.adapters.system import autostart
from gpn_desktop.adapters.system.autostart import FileAutostart, RegistryAutostart, system_autostart
from gpn_desktop.adapters.system.preferences import MAX_FILE, FileDocument, TomlFile
from gpn_desktop.core.errors import AutostartFailed, SettingsNotWritten, SettingsUnreadable

TEXT = """# my node
[grpc]
port = 4411   # the proxy knows it

[mine]
unknown = "stays"
"""


def full(path: Path, text: str) -> None:
    raise OSError(28, "No space left on device")


async def test_comments_and_unknown_keys_stay(tmp_path: Path) -> None:
    file = TomlFile(tmp_path / "config.toml")
    edited = file.edited(TEXT, {"grpc.port": 5000, "limits.gpus": ["all"], "node.auto_claim": True})
    assert "# my node" in edited
    assert "port = 5000   # the proxy knows it" in edited
    assert 'unknown = "stays"' in edited
    await file.write(edited)
    assert await file.read() == edited
    gone = file.edited(edited, {"grpc.port": None, "chain.api": None})
    assert "port" not in gone
    assert "[mine]" in gone


async def test_the_text_before_is_kept_and_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere.toml"
    real.write_text(TEXT)
    link = tmp_path / "config.toml"
    link.symlink_to(real)
    await TomlFile(link).write("[p2p]\n")
    assert link.is_symlink()
    assert real.read_text() == "[p2p]\n"
    assert (tmp_path / "elsewhere.toml.bak").read_text() == TEXT


async def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(TEXT)
    with pytest.raises(SettingsNotWritten, match=r"No space left.*GPN-2042"):
        await TomlFile(path, write=full).write("[p2p]\n")
    assert path.read_text() == TEXT
    assert not path.with_name("config.toml.bak").exists()


async def test_a_read_only_file_is_not_overruled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.toml"
    path.write_text(TEXT)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # root may write everywhere
    with pytest.raises(SettingsNotWritten, match="read-only"):
        await TomlFile(path).write("[p2p]\n")
    assert path.read_text() == TEXT


async def test_what_is_no_readable_file_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "config.toml"
    folder.mkdir()
    with pytest.raises(SettingsUnreadable, match="GPN-2040"):
        await FileDocument(folder).read()
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsUnreadable):
        await FileDocument(binary).read()
    large = tmp_path / "large"
    large.write_bytes(b"#" * (MAX_FILE + 1))
    with pytest.raises(SettingsUnreadable, match="larger"):
        await FileDocument(large).read()
    assert await FileDocument(tmp_path / "none").read() == ""


@pytest.mark.parametrize("text", ["grpc = 5", "[grpc", '[grpc]\nport = {x = "y"}\n[grpc]', "\x00"])
def test_a_file_that_cannot_be_edited_is_left_alone(text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsUnreadable):
        TomlFile(tmp_path / "config.toml").edited(text, {"grpc.port": 1})


async def test_autostart_on_linux(tmp_path: Path) -> None:
    made = system_autostart(
        ["/opt/gpn desktop/gpn-desktop", "--minimized"], "linux", {"XDG_CONFIG_HOME": str(tmp_path)}
    )
    assert isinstance(made, FileAutostart)
    assert not await made.enabled()
    await made.set_enabled(True)
    assert await made.enabled()
    text = (tmp_path / "autostart" / "gpn-desktop.desktop").read_text()
    assert 'Exec="/opt/gpn desktop/gpn-desktop" --minimized\n' in text
    await made.set_enabled(False)
    await made.set_enabled(False)
    assert not await made.enabled()


async def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    replace_file(tmp_path / "autostart", "")
    made = system_autostart(["gpn-desktop"], "linux", {"XDG_CONFIG_HOME": str(tmp_path)})
    with pytest.raises(AutostartFailed, match="GPN-2045"):
        await made.set_enabled(True)


def test_a_command_with_odd_characters() -> None:
    entry = autostart.desktop_entry(["/opt/a b/gpn", "100%", 'say "$x"'])
    assert r'Exec="/opt/a b/gpn" 100%% "say \\"\\$x\\""' in entry


def test_the_texts_for_the_other_systems() -> None:
    agent = plistlib.loads(autostart.launch_agent(["/Applications/GPN & Co/gpn", "--minimized"]).encode())
    assert agent["ProgramArguments"] == ["/Applications/GPN & Co/gpn", "--minimized"]
    assert agent["RunAtLoad"] is True
    assert autostart.run_value([r"C:\Program Files\GPN\gpn.exe", "--minimized"]) == (
        r'"C:\Program Files\GPN\gpn.exe" --minimized'
    )
    assert isinstance(system_autostart(["gpn"], "win32"), RegistryAutostart)
    mac = system_autostart(["gpn"], "darwin")
    assert isinstance(mac, FileAutostart)
    assert mac.path.name == "org.gpn.desktop.plist"

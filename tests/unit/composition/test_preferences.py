"""What the settings page can have done: an endpoint asked, a machine invited."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gpn_desktop.composition import preferences as composed
from gpn_desktop.core.errors import ChainUnreachable, ClusterNotSetUp, ConfigError
from gpn_desktop.services.preferences import Preferences


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = "") -> Preferences:
    for name in ("GPN_CLUSTER_LISTEN", "GPN_DATA_DIR", "GPN_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    path = folder / "config.toml"
    path.write_text(f'[node]\ndata_dir = "{folder.as_posix()}/data"\n{text}')
    return composed.make_preferences(path)


def test_the_file_is_the_one_that_the_node_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPN_CONFIG", str(tmp_path / "named.toml"))
    assert composed.settings_path(None) == tmp_path / "named.toml"
    assert composed.settings_path(tmp_path / "given.toml") == tmp_path / "given.toml"
    preferences = composed.make_preferences(None)
    assert preferences.file.path == tmp_path / "named.toml"
    assert preferences.looks.path == tmp_path / "window.json"


async def test_an_endpoint_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed, "ENDPOINT_SECONDS", 0.5)
    with pytest.raises(ChainUnreachable, match="GPN-1301"):
        await composed.check_endpoint("ws://127.0.0.1:1")
    held = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ChainUnreachable) as refused:
        await composed.check_endpoint(f"ws://127.0.0.1:{port}/v3/SECRET")
    assert "SECRET" not in str(refused.value)
    held.set()
    server.close()


async def test_a_join_code_needs_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    from gpn_desktop.adapters.cluster.certificates import Authority
    from gpn_desktop.adapters.cluster.joining import JoinCode

    preferences = made(tmp_path, monkeypatch)
    assert preferences.doors.invite is not None
    with pytest.raises(ClusterNotSetUp):
        await preferences.doors.invite()
    Authority(tmp_path / "data" / "cluster").create()
    with pytest.raises(ConfigError, match=r"cluster\.listen"):
        await preferences.doors.invite()
    preferences = made(tmp_path, monkeypatch, '[cluster]\nlisten = "127.0.0.1:4420"\n')
    assert preferences.doors.invite is not None
    code = JoinCode.parse(await preferences.doors.invite())
    assert (code.host, code.port) == ("127.0.0.1", 4420)
    preferences = made(tmp_path, monkeypatch, '[cluster]\nlisten = "0.0.0.0:4420"\n')
    monkeypatch.setattr(composed, "_own_address", lambda: "192.168.1.10")
    assert preferences.doors.invite is not None
    assert JoinCode.parse(await preferences.doors.invite()).host == "192.168.1.10"

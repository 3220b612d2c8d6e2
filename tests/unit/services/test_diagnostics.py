"""The bundle: what is shown is what is written, without a secret, whole or not at all."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from gpn_desktop.adapters.system.bundles import FileBundles
from gpn_desktop.adapters.system.logbook import RingLogBook
from gpn_desktop.core.errors import BundleNotWritten
from gpn_desktop.core.health import Finding, Level
from gpn_desktop.services.diagnostics import Diagnostics, as_json, line_text
from gpn_desktop.services.facade import Facade
from gpn_desktop.services.health import Check, Health
from tests.ui.fake import FakeFacade, demo_view
from tests.unit.core.test_redaction import KEY, WORDS


async def talkative(_: Facade | None) -> Finding:
    return Finding("chain", "Chain", Level.BAD, f"wss://one.example/v3/{KEY[:32]} refused", "bad", "again")


def made(home: str = "/home/somebody", settings: Mapping[str, str] | None = None) -> Diagnostics:
    book = RingLogBook()
    log = logging.Logger("gpn.test")
    log.addHandler(book)
    log.warning("%s/data: mnemonic: %s", home, WORDS)
    given = settings or {"data_dir": f"{home}/data", "api": "https://user:pa55word@one.example/"}
    health = Health([Check("chain", "Chain", talkative)])
    return Diagnostics(health, book, FileBundles(), lambda: given, home, lambda: 1_790_000_000.0)


async def test_what_is_shown_is_what_is_written_and_has_no_secret(tmp_path: Path) -> None:
    diagnostics = made()
    diagnostics.attach(FakeFacade(demo_view()))  # type: ignore[arg-type]
    bundle = await diagnostics.preview()
    path = tmp_path / bundle.name
    assert bundle.name == "gpn-desktop-diagnostics-20260921-141320.zip"
    size = await diagnostics.write(bundle, path)
    assert path.stat().st_size == size
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(path) as archive:
        written = {name: archive.read(name).decode() for name in archive.namelist()}
    assert written == {file.name: file.text for file in bundle.files}
    whole = "".join(written.values())
    for secret in (KEY[:32], "pa55word", "junk", "/home/somebody"):
        assert secret not in whole
    assert bundle.redactions >= 3
    assert "~/data" in written["settings.json"]
    node = json.loads(written["node.json"])
    assert node["jobs"][0]["request_id"].startswith("0x")
    assert json.loads(written["counts.json"])["peers"] == 4
    assert str(bundle.redactions) in written["README.txt"]


async def test_without_a_node_it_says_so() -> None:
    bundle = await made().preview()
    texts = {file.name: file.text for file in bundle.files}
    assert json.loads(texts["node.json"]) == "No node runs."


async def test_a_folder_that_cannot_be_written_to_keeps_what_was_there(tmp_path: Path) -> None:
    diagnostics = made()
    bundle = await diagnostics.preview()
    with pytest.raises(BundleNotWritten):
        await diagnostics.write(bundle, tmp_path / "nowhere" / "bundle.zip")
    (tmp_path / "taken").mkdir()
    with pytest.raises(BundleNotWritten):
        await diagnostics.write(bundle, tmp_path / "taken")
    left = await asyncio.to_thread(lambda: [path.name for path in tmp_path.iterdir()])
    assert left == ["taken"]


async def test_lines_are_exported_as_they_are(tmp_path: Path) -> None:
    diagnostics = made()
    lines = list(diagnostics._logs.since(0, 10))
    await diagnostics.export(lines, tmp_path / "log.txt")
    assert (tmp_path / "log.txt").read_text() == f"{line_text(lines[0])}\n"
    assert "WARNING  gpn.test: " in line_text(lines[0])


def test_large_amounts_keep_their_last_digit() -> None:
    said = as_json({"wei": 10**18 + 1, "n": 7, "yes": True})
    assert said == {"wei": "1000000000000000001", "n": 7, "yes": True}

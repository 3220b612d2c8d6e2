"""The parts of the package's making that need no build."""

from __future__ import annotations

import configparser
import importlib
import re
import shutil
import struct
import sys
import xml.etree.ElementTree as ET
from email.message import Message
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gpn_desktop.adapters.system import autostart

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of the folder, which is no package."""
    monkeypatch.syspath_prepend(str(PACKAGING))
    yield importlib.import_module
    for name in ("licences", "icons", "deb"):
        sys.modules.pop(name, None)


def test_an_ico_leads_to_each_of_its_pictures(part: Any) -> None:
    pngs = {16: PNG + b"small", 256: PNG + b"the large one"}
    made = part("icons").ico(pngs)
    assert struct.unpack_from("<HHH", made) == (0, 1, 2)
    for number, (size, png) in enumerate(pngs.items()):
        entry = struct.unpack_from("<BBBBHHII", made, 6 + 16 * number)
        assert entry[:2] == (size % 256, size % 256)
        length, offset = entry[-2:]
        assert made[offset : offset + length] == png


def test_an_icns_is_read_to_its_end(part: Any) -> None:
    pngs = {b"icp4": PNG + b"16", b"ic08": PNG + b"256"}
    made = part("icons").icns(pngs)
    assert struct.unpack_from(">4sI", made) == (b"icns", len(made))
    found, place = {}, 8
    while place < len(made):
        kind, length = struct.unpack_from(">4sI", made, place)
        found[kind] = made[place + 8 : place + length]
        place += length
    assert found == pngs


@pytest.mark.parametrize(
    ("fields", "stated"),
    [
        ([("License-Expression", "MIT"), ("License", "see there")], "MIT"),
        ([("License", "BSD\nand a text of many lines")], "BSD"),
        ([("License", "UNKNOWN"), ("Classifier", "License :: OSI Approved :: ISC License")], "ISC License"),
        ([("Classifier", "Topic :: Security")], "see its text"),
    ],
)
def test_a_licence_is_found_however_it_is_stated(
    part: Any, fields: list[tuple[str, str]], stated: str
) -> None:
    metadata = Message()
    for name, value in fields:
        metadata[name] = value
    assert part("licences").stated(SimpleNamespace(metadata=metadata)) == stated


def test_a_part_is_listed_with_its_text(part: Any, tmp_path: Path) -> None:
    part("licences").write(tmp_path / "licences", ["qasync", "qasync.signal", "sys"], [])
    listed = (tmp_path / "licences" / "LICENCES.txt").read_text(encoding="utf-8")
    assert re.search(r"^qasync [\d.]+: BSD", listed, re.MULTILINE)
    assert re.search(r"^anvil: MIT", listed, re.MULTILINE)
    assert "web3" not in listed
    assert (tmp_path / "licences" / "LGPL-3.0.txt").is_file()


@pytest.mark.skipif(not shutil.which("objdump"), reason="objdump (binutils) reads what a program links")
@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="only Debian can say which package has a library")
def test_what_is_linked_and_not_brought_is_depended_on(part: Any, tmp_path: Path) -> None:
    shutil.copy("/bin/sh", tmp_path / "program")
    (tmp_path / "notes").write_text("no program")
    assert part("deb").depends(tmp_path).startswith("libc6 (>= 2.")
    (tmp_path / "libc.so.6").touch()
    assert part("deb").depends(tmp_path) == ""


def test_every_system_knows_the_application_by_the_same_names() -> None:
    linux = PACKAGING / "linux"
    entry = configparser.ConfigParser(interpolation=None)
    entry.read(linux / f"{autostart.LABEL}.desktop", encoding="utf-8")
    assert entry["Desktop Entry"]["Icon"] == autostart.NAME
    about = ET.parse(linux / f"{autostart.LABEL}.metainfo.xml.in").getroot()
    assert about.findtext("id") == autostart.LABEL
    windows = (PACKAGING / "windows.iss").read_text(encoding="utf-8")
    assert f'Subkey: "{autostart.RUN_KEY}"; ValueName: "{autostart.NAME}"' in windows
    assert f'AppUserModelID: "{autostart.LABEL}"' in windows
    spec = (PACKAGING / "gpn-desktop.spec").read_text(encoding="utf-8")
    assert f'bundle_identifier="{autostart.LABEL}"' in spec

"""The second language is complete, sentence by sentence, and the window speaks it."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from gpn_desktop.core.errors import EngineMissing
from gpn_desktop.core.health import judge_backup, judge_disk
from gpn_desktop.ui import language, text
from gpn_desktop.ui.pages.health_findings import FindingList
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from tests.ui.conftest import Attach
from tests.ui.fake import FakeFacade, demo_view

ROOT = Path(__file__).resolve().parents[2]
PLACE = re.compile(r"\{[^}]*\}")


def sentences() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("strings", ROOT / "packaging" / "strings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, str] = module.sentences()
    return found


@pytest.fixture
def german(qapp: QApplication) -> Iterator[None]:
    assert language.use(qapp, "de") == "de"
    yield
    assert language.use(qapp, "en") == "en"


def test_every_sentence_has_its_translation_and_no_other_is_kept() -> None:
    wanted, known = sentences(), language.read("de")
    assert len(wanted) > 400
    assert [text for text in wanted if text not in known] == []
    assert [text for text in known if text not in wanted] == []


def test_the_places_to_fill_in_are_the_same() -> None:
    for source, words in language.read("de").items():
        assert sorted(PLACE.findall(words)) == sorted(PLACE.findall(source)), source


@pytest.mark.usefixtures("german")
async def test_the_window_speaks_it(attach: Attach) -> None:
    window = attach(FakeFacade(demo_view()))
    known = language.read("de")
    assert window.sidebar.buttons["earnings"].text() == known["Earnings"] != "Earnings"
    window.go("jobs")
    assert window.pages["jobs"].title.text() == known["Jobs"]
    assert known[EngineMissing.remedy] in text.explain(EngineMissing("x"))
    assert EngineMissing.code in text.explain(EngineMissing("x"))


@pytest.mark.usefixtures("german")
def test_sentences_with_figures_are_said_in_it_with_all_their_parts() -> None:
    finding = judge_disk([("data folder", 3 * 10**9, 500 * 10**9), ("{x}", 30 * 10**9, 40 * 10**9)])
    assert text.say(finding.result) == "data folder: 3 GB von 500 GB frei; {x}: 30 GB von 40 GB frei"
    assert text.say(finding.meaning).startswith("Unter 5 GB scheitert")
    assert text.role("Prover, 3rd") == "Prover, 3."
    assert text.say("never heard of {y}") == "never heard of {y}"
    assert text.say("") == ""


@pytest.mark.usefixtures("german")
async def test_the_doctor_speaks_it(theme: Theme) -> None:
    finding = judge_backup(has_key=True, tested=False)
    rows = FindingList(theme, [(finding.key, finding.title)], lambda _: None)
    row = rows.rows[finding.key]
    row.show_finding(finding, running=False)
    known = language.read("de")
    assert row.full.text() == known[finding.result] != finding.result
    assert row.meaning.text() == known[finding.meaning]
    assert known[finding.remedy] in row.remedy.text()
    assert known[finding.title] in row.accessibleName()


def test_a_language_that_is_not_there_or_damaged_is_english(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert language.use(qapp, "tlh") == "en"
    (tmp_path / "xx.json").write_text("{ no json")
    (tmp_path / "yy.json").write_text(json.dumps({"Jobs": "J", "Votes": ""}))
    monkeypatch.setattr(language, "FOLDER", tmp_path)
    assert language.languages() == ("en", "xx", "yy")
    language.use(qapp, "xx")
    assert tr("Jobs") == "Jobs"
    language.use(qapp, "yy")
    assert (tr("Jobs"), tr("Votes")) == ("J", "Votes")
    language.use(qapp, "en")
    assert tr("Jobs") == "Jobs"

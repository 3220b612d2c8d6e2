"""Sentences that keep their template: English for everybody, and more for the window."""

from __future__ import annotations

import json

from gpn_desktop.core.said import Said, joined, said


def test_it_is_its_english_sentence() -> None:
    words = said("{path} has {free} free", path="/data {x}", free=3)
    assert words == "/data {x} has 3 free"
    assert json.dumps([words]) == '["/data {x} has 3 free"]'
    assert (words.template, words.values) == ("{path} has {free} free", {"path": "/data {x}", "free": "3"})


def test_sentences_inside_of_others_stay_what_they_are() -> None:
    inner = said("port {n} is free", n=80)
    listed = joined([inner, "nothing else"])
    assert listed == "port 80 is free; nothing else"
    outer = said("{what}, as it seems", what=listed)
    assert outer == "port 80 is free; nothing else, as it seems"
    assert isinstance(outer.values["what"], Said)
    assert joined([]) == ""

"""A pull's lines, added up."""

from __future__ import annotations

from typing import Any

import pytest

from gpn_desktop.adapters.docker.pull import PullMeter
from gpn_desktop.core.errors import EngineFault, ImageTooLarge
from gpn_desktop.ports.runtime import PullProgress


def line(layer: str, status: str, **detail: int) -> dict[str, Any]:
    return {"id": layer, "status": status, "progressDetail": detail}


def test_layers_add_up_and_end_complete() -> None:
    meter = PullMeter("image", 1000)
    changed = [
        meter.read(entry)
        for entry in [
            {"status": "Pulling from gpn/mock", "id": "sha256:00"},
            line("a", "Pulling fs layer"),
            line("a", "Downloading", current=10, total=100),
            line("b", "Downloading", current=20, total=50),
            line("a", "Download complete"),
            line("a", "Extracting", current=1, total=100),
            line("b", "Pull complete"),
            {"status": "Status: Downloaded newer image"},
        ]
    ]

    assert changed == [False, False, True, True, True, False, True, False]
    assert meter.progress == PullProgress(done=150, total=150)


def test_the_size_is_refused_as_soon_as_it_is_known() -> None:
    meter = PullMeter("image", 120)
    meter.read(line("a", "Downloading", current=0, total=100))

    with pytest.raises(ImageTooLarge):
        meter.read(line("b", "Downloading", current=0, total=21))


def test_an_error_comes_as_a_line() -> None:
    with pytest.raises(EngineFault, match="unexpected EOF"):
        PullMeter("image", 100).read(
            {"error": "unexpected EOF", "errorDetail": {"message": "unexpected EOF"}}
        )

"""Nothing in this folder may leave an error in the log: an exception that nobody awaited shows there."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_unexpected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.WARNING)
    yield
    found = [r for when in ("setup", "call") for r in caplog.get_records(when) if r.levelno >= logging.ERROR]
    assert [r.getMessage() + (str(r.exc_info[1]) if r.exc_info else "") for r in found] == []

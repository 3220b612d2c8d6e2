"""The log's two forms: for people and for machines, without secrets in either, with the request's id."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from gpn_desktop.composition.logs import FORMAT, Lines, Objects, Request
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.types import hex0x
from gpn_desktop.services.context import Tasks, in_work
from tests.unit.core.test_redaction import KEY

REQUEST = keccak(b"a request")


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.addFilter(Request())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def kept() -> Kept:
    made = Kept()
    made.setFormatter(Objects())
    return made


@pytest.fixture
def log(kept: Kept) -> logging.Logger:
    made = logging.Logger("gpn.test", logging.DEBUG)
    made.addHandler(kept)
    return made


def test_each_line_is_an_object_of_its_own(log: logging.Logger, kept: Kept) -> None:
    log.warning("two\nlines of %s", "text")
    said = json.loads(kept.lines[0])
    assert "\n" not in kept.lines[0]
    assert said["message"] == "two\nlines of text"
    assert (said["level"], said["logger"]) == ("warning", "gpn.test")
    assert said["time"].endswith("Z")
    assert "request" not in said


def test_a_traceback_is_one_field_and_secrets_are_in_neither_form(log: logging.Logger, kept: Kept) -> None:
    for formatter in (Objects(), Lines(FORMAT)):
        kept.setFormatter(formatter)
        try:
            raise ValueError(f"secret = {KEY}")
        except ValueError:
            log.exception("it failed with private key: %s", KEY)
    assert "Traceback" in json.loads(kept.lines[0])["error"]
    assert not any(KEY in line for line in kept.lines)


async def test_what_serves_a_request_carries_its_id_also_in_tasks(log: logging.Logger, kept: Kept) -> None:
    tasks = Tasks()

    async def work() -> None:
        log.info("in a task")
        await asyncio.gather(inner())

    async def inner() -> None:
        log.info("in a task of it")

    with in_work(REQUEST):
        log.info("inside")
    await tasks.spawn(work(), "work", about=REQUEST)
    log.info("outside")
    found = [json.loads(line).get("request") for line in kept.lines]
    assert found == [hex0x(REQUEST)] * 3 + [None]

"""The log book: bounded whatever comes, in order, from any thread, and without a secret."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from gpn_desktop.adapters.system.logbook import RingLogBook
from tests.unit.core.test_redaction import KEY


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    made = logging.Logger("gpn.test", logging.DEBUG)
    yield made
    made.handlers.clear()


def attached(log: logging.Logger, book: RingLogBook) -> RingLogBook:
    log.addHandler(book)
    return book


def test_a_million_lines_take_the_room_of_the_last_ones(log: logging.Logger) -> None:
    book = RingLogBook(lines=1000, characters=100_000)
    for number in range(1_000_000):
        book._keep(0, logging.INFO, "gpn", f"line {number}")
    assert (book.first, book.following) == (999_000, 1_000_000)
    assert [line.number for line in book.since(0, 3)] == [999_000, 999_001, 999_002]
    assert book.since(999_999, 10)[0].message == "line 999999"
    assert book.since(1_000_000, 10) == ()
    assert book.characters <= 100_000


def test_long_lines_are_cut_and_the_whole_is_bounded(log: logging.Logger) -> None:
    book = attached(log, RingLogBook(lines=1000, characters=20_000, longest=500))
    for _ in range(200):
        log.info("x" * 5_000_000 if _ == 0 else "y" * 400)
    assert book.characters <= 20_000
    assert book.first > 0
    assert "characters more" not in book.since(0, 1)[0].message
    log.info("z" * 600)
    assert book.since(book.following - 1, 1)[0].message.endswith("(100 characters more)")


def test_secrets_do_not_come_in_even_at_the_cut(log: logging.Logger) -> None:
    book = attached(log, RingLogBook(longest=100))
    log.info("private key: %s", KEY)
    log.info("%s private key: %s", "a" * 60, KEY)
    try:
        raise ValueError(f"secret = {KEY}")
    except ValueError:
        log.exception("it failed")
    said = " ".join(line.message for line in book.since(0, 10))
    assert KEY not in said
    assert KEY[:20] not in said
    assert "‹redacted: private key›" in said


def test_a_broken_record_is_told_and_loses_no_other(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    book = attached(log, RingLogBook())
    log.info("%d", "no number")
    log.info("after it")
    assert [line.message for line in book.since(0, 10)] == ["after it"]
    assert "no number" in capsys.readouterr().err


def test_lines_of_many_threads_are_numbered_without_a_gap(log: logging.Logger) -> None:
    book = attached(log, RingLogBook(lines=10_000))
    told: list[int] = []
    undo = book.subscribe(lambda: told.append(1))
    threads = [
        threading.Thread(target=lambda: [log.info("line") for _ in range(500)]) for _ in range(8)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    undo()
    log.info("nobody is told of this one")
    lines = book.since(0, 10_000)
    assert [line.number for line in lines] == list(range(4001))
    assert len(told) == 4000

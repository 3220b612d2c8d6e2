"""Texts that the standard parser takes, and those that would overflow its stack."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gpn_desktop.core import jsontext


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        "text",
        17,
        None,
        {"logs": [{"topics": ["0x00"], "data": "0x"}] * 1000},
        {"brackets in a string": "[{" * 1000, 'an escaped " quote': '\\"[{' * 1000},
    ],
)
def test_a_value_comes_out_as_the_standard_parser_gives_it(value: object) -> None:
    text = json.dumps(value)
    assert jsontext.parse(text) == value
    assert jsontext.parse(text.encode()) == value


def test_levels_are_allowed_up_to_the_limit() -> None:
    assert jsontext.parse(nested(jsontext.MAX_DEPTH)) is not None
    with pytest.raises(ValueError, match="levels"):
        jsontext.parse(nested(jsontext.MAX_DEPTH + 1))


MANY = 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nul",
        '"',
        '{"a": "[',
        b"\xff",
        pytest.param("[" * MANY, id="lists"),
        pytest.param('{"a":' * MANY, id="objects"),
        pytest.param('"\\' + "[" * MANY, id="a string without end"),
    ],
)
def test_everything_else_is_a_value_error(text: bytes | str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # its kind is all that is promised
        jsontext.parse(text)


def test_a_raised_recursion_limit_leaves_the_process_alive() -> None:
    """As the chain's libraries raise it. In a process of its own, since failing would mean a crash."""
    program = (
        "import sys; from gpn_desktop.core import jsontext; sys.setrecursionlimit(1_000_000)\n"
        "try: jsontext.parse(b'[' * 1_000_000)\n"
        "except ValueError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "refused\n")

"""Where two codes differ, and which settings follow from which."""

from __future__ import annotations

import pytest

from gpn_desktop.adapters.chain.artifact import Runtime
from gpn_desktop.adapters.chain.inspection import same_settings

A, B, C = bytes([1]) * 4, bytes([2]) * 4, bytes([3]) * 4
CODE = b"\x60" * 8 + bytes(4) + b"\x61" * 8 + bytes(4) + b"\x62"
RUNTIME = Runtime(CODE, ((8, 4), (20, 4)))


def code(first: bytes, second: bytes) -> bytes:
    return CODE[:8] + first + CODE[12:20] + second + CODE[24:]


def test_immutables_may_be_anything() -> None:
    assert RUNTIME.differs_at(code(A, B)) is None
    assert RUNTIME.words(code(A, B)) == [A, B]


@pytest.mark.parametrize("place", [0, 7, 12, 19, 24])
def test_the_first_byte_that_differs(place: int) -> None:
    changed = bytearray(code(A, B))
    changed[place] ^= 1
    changed[24] ^= 2
    assert RUNTIME.differs_at(bytes(changed)) == place


@pytest.mark.parametrize("size", [0, 5, 10, 22, 24])
def test_a_code_that_ends_early(size: int) -> None:
    assert RUNTIME.differs_at(code(A, B)[:size]) == min(size, len(CODE))


def test_a_code_that_goes_on() -> None:
    assert RUNTIME.differs_at(code(A, B) + b"\0") == len(CODE)


def test_settings_are_the_same_but_for_the_contract_s_own() -> None:
    assert same_settings(RUNTIME, code(A, B), code(A, B), own=())
    assert not same_settings(RUNTIME, code(A, B), code(A, C), own=())
    assert same_settings(RUNTIME, code(A, B), code(A, C), own=(B,))
    assert same_settings(RUNTIME, code(B, B), code(C, C), own=(B,))
    assert not same_settings(RUNTIME, code(B, B), code(A, C), own=(B,)), "one value has one counterpart"
    assert not same_settings(RUNTIME, code(A, B), code(C, C), own=(A, B)), "and no two have the same"

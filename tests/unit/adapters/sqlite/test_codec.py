"""The stored form of values: one per value, and nothing else is taken for one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from typing import Any, NewType, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.adapters.sqlite import schema
from gpn_desktop.adapters.sqlite.codec import CodecError, decode, decode_any, encode, seal, unseal
from gpn_desktop.core.messages import PeerMessage
from gpn_desktop.core.types import Address, Hash32
from gpn_desktop.ports.chain import TxRecord, TxState
from gpn_desktop.ports.store import JobRow, SettlementRow, WithdrawalRow
from tests.contract.store import samples

MESSAGES: list[Any] = [samples.request(0), samples.request(1), *samples.messages(samples.request_id(1))]


@dataclass(frozen=True)
class Odd:
    number: int
    flag: bool
    text: str
    raw: bytes
    maybe: Address | None
    hashes: tuple[Hash32, ...]


odds = st.builds(
    Odd,
    number=st.integers(min_value=-(2**300), max_value=2**300),
    flag=st.booleans(),
    text=st.text(),
    raw=st.binary(),
    maybe=st.none() | st.binary(min_size=20, max_size=20),
    hashes=st.lists(st.binary(min_size=32, max_size=32), max_size=4).map(tuple),
)


@given(odds)
def test_values_come_back(value: Odd) -> None:
    assert decode(encode(value, Odd), Odd) == value


@given(st.binary(max_size=200))
def test_bytes_are_a_value_in_its_one_form_or_refused(data: bytes) -> None:
    for kind in (Odd, TxRecord, PeerMessage):
        try:
            value: Any = decode_any(data, kind)
        except CodecError:
            continue
        assert encode(value, kind) == data


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_no_beginning_and_no_continuation_of_a_message_is_one(message: Any) -> None:
    data = encode(message, PeerMessage)
    assert decode_any(data, PeerMessage) == message
    for end in range(len(data)):
        with pytest.raises(CodecError):
            decode_any(data[:end], PeerMessage)
    with pytest.raises(CodecError, match="too many"):
        decode_any(data + b"\0", PeerMessage)


def test_rows_with_numbers_of_any_size() -> None:
    row = replace(samples.job(1), proof_hash=samples.request_id(2), prover=None)
    assert decode(encode(row, JobRow), JobRow) == row
    record = samples.tx("i", 1, TxState.REVERTED)
    assert decode(encode(record, TxRecord), TxRecord) == record


def edit(at: int, byte: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([byte]) + data[at + 1 :]


ODD = Odd(5, True, "é", b"", None, ())
EDITS = [
    (edit(0, 0), "shortest|too"),  # a number of no bytes
    (edit(2, 2), "neither"),  # the flag
    (edit(7, 0xFF), "UTF-8"),
    (edit(13, 2), "unknown kind"),
    (edit(14, 0xFF), "longer"),
]


@pytest.mark.parametrize(("change", "why"), EDITS)
def test_what_is_wrong_is_said(change: Callable[[bytes], bytes], why: str) -> None:
    data = encode(ODD, Odd)
    assert len(data) == 18
    with pytest.raises(CodecError, match=why):
        decode(change(data), Odd)


def test_numbers_have_one_form() -> None:
    assert encode(0, int) == b"\x01\x00"
    assert encode(128, int) == b"\x02\x00\x80"
    assert encode(-1, int) == b"\x01\xff"
    for longer in (b"\x02\x00\x00", b"\x02\xff\xff", b"\x00"):
        with pytest.raises(CodecError, match="shortest"):
            decode(longer, int)


def test_values_of_the_wrong_size_or_kind_are_not_written() -> None:
    with pytest.raises(CodecError, match="20 bytes"):
        encode(replace(ODD, maybe=Address(b"short")), Odd)
    with pytest.raises(TypeError, match="not one of"):
        encode("no message", PeerMessage)
    with pytest.raises(TypeError, match="no stored form"):
        encode({}, dict)


def test_an_unknown_name_is_refused() -> None:
    assert decode(encode(TxState.SENT, TxState), TxState) is TxState.SENT
    with pytest.raises(CodecError):
        decode(encode("paid", str), TxState)


@given(st.binary(max_size=64), st.lists(st.binary(max_size=8), max_size=3), st.data())
def test_no_bit_of_a_sealed_row_can_change(body: bytes, context: list[bytes], data: st.DataObject) -> None:
    sealed = seal(body, *context)
    assert unseal(sealed, *context) == body
    at = data.draw(st.integers(min_value=0, max_value=len(sealed) * 8 - 1))
    changed = bytearray(sealed)
    changed[at // 8] ^= 1 << at % 8
    with pytest.raises(CodecError):
        unseal(bytes(changed), *context)
    with pytest.raises(CodecError):
        unseal(sealed, *context, b"more")


def shape(kind: Any) -> Any:
    """What a stored form depends on: the fields of a dataclass, their order and their types."""
    if isinstance(kind, NewType):
        return str(kind.__name__)
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(origin or kind):
        hints = get_type_hints(origin or kind)
        return [(origin or kind).__name__, *(shape(a) for a in inner)] + [
            [f.name, shape(hints[f.name])] for f in fields(origin or kind)
        ]
    if inner:
        name = "tuple" if origin is tuple else "union"
        return [name, *(shape(a) for a in inner if a is not Ellipsis)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [member.value for member in kind]
    return str(kind.__name__)


def test_a_change_of_a_stored_value_is_a_new_version_of_the_schema() -> None:
    """If this fails, a stored dataclass has changed: raise ``schema.VERSION``, migrate, pin the new one."""
    stored = [PeerMessage, JobRow, SettlementRow, WithdrawalRow, TxRecord]
    print_of = hashlib.sha256(json.dumps([shape(kind) for kind in stored]).encode()).hexdigest()[:16]
    assert (schema.VERSION, print_of) == (4, "11ec1d58a68374b1")

"""Domain values as bytes, for rows: one canonical form per value, checked strictly when it is read.

The form follows the dataclasses themselves (fields in order, no names), so it cannot fall behind them; a
field that is added or moved is a new schema version of the store. It is the store's alone: the wire form has
other duties (unknown fields, other languages) and belongs to another adapter.

The signer and the digest of a statement are stored rather than recovered again. Recovering takes tens of
microseconds each, and the domain; it would guard only against someone who can write this node's files, and
that person can replace its configuration as well. Accidents are what a file has to be guarded against, and
``seal`` does that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Final, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

FIXED_SIZES: Final = {"Address": 20, "Hash32": 32, "Signature": 65}
CHECK_BYTES: Final = 8

T = TypeVar("T")
Write = Callable[[Any, bytearray], None]
Read = Callable[[bytes, int], tuple[Any, int]]


class CodecError(ValueError):
    """The bytes are not the canonical form of a value of this type."""


def seal(body: bytes, *context: bytes) -> bytes:
    """The body with a check over it and over the columns that stand beside it in the row."""
    return _check(body, context) + body


def unseal(sealed: bytes, *context: bytes) -> bytes:
    """The body of a sealed value; CodecError when a bit of it, or of its context, is not what was written."""
    body = sealed[CHECK_BYTES:]
    if _check(body, context) != sealed[:CHECK_BYTES]:
        raise CodecError("a row's check does not match its content")
    return body


def _check(body: bytes, context: tuple[bytes, ...]) -> bytes:
    state = hashlib.blake2b(digest_size=CHECK_BYTES)
    for part in context:
        state.update(len(part).to_bytes(4, "big") + part)
    state.update(body)
    return state.digest()


def encode(value: object, kind: Any) -> bytes:
    """The canonical bytes of ``value``, which is of type ``kind``."""
    out = bytearray()
    _codec(kind)[0](value, out)
    return bytes(out)


def decode(data: bytes, kind: type[T]) -> T:
    """The value of type ``kind`` whose canonical form is exactly ``data``; CodecError otherwise."""
    form: Any = kind
    value, end = _codec(form)[1](data, 0)
    if end != len(data):
        raise CodecError(f"{len(data) - end} bytes too many")
    return value  # type: ignore[no-any-return]


def decode_any(data: bytes, kind: Any) -> Any:
    """Like ``decode``, for unions, which are no classes."""
    return decode(data, kind)


@cache
def _codec(kind: Any) -> tuple[Write, Read]:
    if isinstance(kind, NewType):
        size = FIXED_SIZES.get(kind.__name__)
        return _fixed(size) if size else _codec(kind.__supertype__)
    plain = _PLAIN.get(kind)
    if plain is not None:
        return plain
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _union(get_args(kind))
    if origin is tuple:
        return _sequence(get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind)
    if is_dataclass(origin or kind):
        return _record(origin or kind, get_args(kind))
    raise TypeError(f"no stored form for {kind!r}")


def _take(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(data):
        raise CodecError("the value ends too early")
    return data[at:end], end


def _fixed(size: int) -> tuple[Write, Read]:
    def write(value: Any, out: bytearray) -> None:
        if len(value) != size:
            raise CodecError(f"expected {size} bytes, got {len(value)}")
        out += value

    return write, lambda data, at: _take(data, at, size)


def _write_bytes(value: bytes, out: bytearray) -> None:
    out += len(value).to_bytes(4, "big")
    out += value


def _read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = _take(data, at, 4)
    return _take(data, at, int.from_bytes(size, "big"))


def _read_str(data: bytes, at: int) -> tuple[str, int]:
    raw, end = _read_bytes(data, at)
    try:
        return raw.decode(), end
    except UnicodeDecodeError as error:
        raise CodecError("a text is not UTF-8") from error


def _write_int(value: int, out: bytearray) -> None:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
    out.append(len(raw))
    out += raw


def _read_int(data: bytes, at: int) -> tuple[int, int]:
    size, at = _take(data, at, 1)
    raw, end = _take(data, at, size[0])
    value = int.from_bytes(raw, "big", signed=True)
    if len(raw) != value.bit_length() // 8 + 1:
        raise CodecError("a number is not in its shortest form")
    return value, end


def _read_bool(data: bytes, at: int) -> tuple[bool, int]:
    raw, end = _take(data, at, 1)
    if raw not in (b"\0", b"\1"):
        raise CodecError("a truth value is neither 0 nor 1")
    return raw == b"\1", end


def _read_none(data: bytes, at: int) -> tuple[None, int]:
    return None, at


_PLAIN: Final[dict[Any, tuple[Write, Read]]] = {
    bytes: (_write_bytes, _read_bytes),
    str: (lambda value, out: _write_bytes(value.encode(), out), _read_str),
    bool: (lambda value, out: out.append(int(value)), _read_bool),
    int: (_write_int, _read_int),
    type(None): (lambda value, out: None, _read_none),
}


def _enum(kind: type[Enum]) -> tuple[Write, Read]:
    def read(data: bytes, at: int) -> tuple[Enum, int]:
        text, end = _read_str(data, at)
        try:
            return kind(text), end
        except ValueError as error:
            raise CodecError(str(error)) from error

    return lambda value, out: _write_bytes(value.value.encode(), out), read


def _sequence(kind: Any) -> tuple[Write, Read]:
    write_item, read_item = _codec(kind)

    def write(value: tuple[Any, ...], out: bytearray) -> None:
        out += len(value).to_bytes(4, "big")
        for item in value:
            write_item(item, out)

    def read(data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
        raw, at = _take(data, at, 4)
        count = int.from_bytes(raw, "big")
        if count > len(data):  # every item takes a byte at least
            raise CodecError("a sequence is longer than its row")
        items = []
        for _ in range(count):
            item, at = read_item(data, at)
            items.append(item)
        return tuple(items), at

    return write, read


def _union(kinds: tuple[Any, ...]) -> tuple[Write, Read]:
    """A tag byte (the position in the union) before the value; ``X | None`` is such a union."""
    codecs = [_codec(kind) for kind in kinds]
    tags = {_python_class(kind): tag for tag, kind in enumerate(kinds)}

    def write(value: Any, out: bytearray) -> None:
        tag = tags.get(type(value))
        if tag is None:
            raise TypeError(f"{type(value).__name__} is not one of the stored kinds")
        out.append(tag)
        codecs[tag][0](value, out)

    def read(data: bytes, at: int) -> tuple[Any, int]:
        raw, at = _take(data, at, 1)
        if raw[0] >= len(codecs):
            raise CodecError("a value is of an unknown kind")
        return codecs[raw[0]][1](data, at)

    return write, read


def _python_class(kind: Any) -> Any:
    while isinstance(kind, NewType):
        kind = kind.__supertype__
    return get_origin(kind) or kind


def _record(kind: Any, arguments: tuple[Any, ...]) -> tuple[Write, Read]:
    parameters = dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=True))
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    codecs = [_codec(parameters.get(hints[name], hints[name])) for name in names]

    def write(value: Any, out: bytearray) -> None:
        for name, (write_field, _) in zip(names, codecs, strict=True):
            write_field(getattr(value, name), out)

    def read(data: bytes, at: int) -> tuple[Any, int]:
        values = []
        for _, read_field in codecs:
            item, at = read_field(data, at)
            values.append(item)
        return kind(*values), at

    return write, read

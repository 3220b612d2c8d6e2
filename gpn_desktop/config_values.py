"""How the value of a setting is written, wherever it comes from: parsed to its exact meaning, or refused.

Each parser takes a text or what TOML made of one, and says in a ValueError what it expects; it never repeats
the value, which may hold an access key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from gpn_desktop.core.types import Address, Hash32, Role, Wei, parse_address
from gpn_desktop.ports.runtime import ImageRef

Parse = Callable[[Any], Any]

_IMAGE = re.compile(
    r"(?P<name>[a-z0-9]+(?:[._:/-][a-z0-9_.-]+)*?)(?::[\w.-]{1,128})?(?:@sha256:(?P<digest>[0-9a-f]{64}))?"
)
_EXACT: Final = Context(prec=100, Emax=60, traps=[Inexact, InvalidOperation, Overflow])
_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"0", "false", "no", "off"})
_PROTOCOL = re.compile(r"/[\x21-\x7e]{1,63}")


class LogFormat(Enum):
    TEXT = "text"
    JSON = "json"  # one object in each line


@dataclass(frozen=True, slots=True)
class ImageChoice:
    """An image to serve; without a digest the one that its name stands for on this machine."""

    name: str
    digest: Hash32 | None

    def pinned(self) -> ImageRef | None:
        return None if self.digest is None else ImageRef(self.name, self.digest)


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text is expected")
    return value.strip()


def integer(low: int, high: int) -> Parse:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("a whole number is expected")
        try:
            number = int(value)
        except ValueError as error:
            raise ValueError("a whole number is expected") from error
        if not low <= number <= high:
            raise ValueError(f"it must be between {low} and {high}")
        return number

    return parse


def flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = text(str(value)).lower()
    if word not in _YES | _NO:
        raise ValueError("true or false is expected")
    return word in _YES


def list_of(item: Parse) -> Parse:
    """A TOML list, or a text with commas."""

    def parse(value: Any) -> tuple[Any, ...]:
        parts = [p for p in value.split(",") if p.strip()] if isinstance(value, str) else value
        if not isinstance(parts, list):
            raise ValueError("a list is expected")
        return tuple(item(part) for part in parts)

    return parse


def choice(kind: type[Enum]) -> Parse:
    def parse(value: Any) -> Enum:
        wanted = text(value).lower()
        for member in kind:
            if member.value == wanted:
                return member
        raise ValueError(f"it must be one of {', '.join(str(member.value) for member in kind)}")

    return parse


def path(value: Any) -> Path:
    return Path(text(value)).expanduser()


def address(value: Any) -> Address:
    try:
        return parse_address(text(value))
    except ValueError as error:
        raise ValueError("an address of 20 bytes in hex is expected") from error


def url(value: Any) -> str:
    found = text(value)
    try:
        parts = urlsplit(found)
        usable = parts.scheme in ("http", "https", "ws", "wss") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("an http, https, ws or wss URL is expected")
    return found


def multiaddress(value: Any) -> str:
    found = text(value)
    if not re.fullmatch(r"/(ip4|ip6|dns|dns4|dns6)/[^/\s]+/tcp/\d{1,5}(/p2p/[A-Za-z0-9]+)?", found):
        raise ValueError("a multiaddress like /ip4/203.0.113.5/tcp/4410 is expected")
    return found


def peer(value: Any) -> str:
    found = multiaddress(value)
    if "/p2p/" not in found:
        raise ValueError("a multiaddress that ends with /p2p/ and the peer id is expected")
    return found


def host(value: Any) -> str:
    found = text(value)
    if found == "localhost":
        return "127.0.0.1"
    try:
        return str(ip_address(found.strip("[]")))
    except ValueError as error:
        raise ValueError("an IP address of this machine is expected") from error


def host_port(value: Any) -> tuple[str, int]:
    """HOST:PORT, with a port that leaves room for the next one."""
    name, found, port = text(value).rpartition(":")
    if not found or not port.isascii() or not port.isdecimal() or not 1 <= int(port) < 65_535:
        raise ValueError("HOST:PORT is expected")
    return host(name), int(port)


def listen(value: Any) -> tuple[str, int] | None:
    """HOST:PORT, where port 0 is any free one; None for nowhere, which is written as nothing."""
    if value == "":
        return None
    name, found, port = text(value).rpartition(":")
    if not found or not port.isascii() or not port.isdecimal() or not 0 <= int(port) <= 65_535:
        raise ValueError("HOST:PORT is expected")
    return host(name), int(port)


def protocol(value: Any) -> str:
    found = text(value)
    if not _PROTOCOL.fullmatch(found):
        raise ValueError("up to 64 printable characters that begin with / are expected")
    return found


def consumer(value: Any) -> Address | ImageChoice:
    found = text(value)
    if found.startswith("0x"):
        return address(found)
    match = _IMAGE.fullmatch(found)
    if match is None:
        raise ValueError("an address or an image's name is expected")
    digest = match["digest"]
    return ImageChoice(match["name"], Hash32(bytes.fromhex(digest)) if digest else None)


def _amount(unit: str, decimals: int) -> Parse:
    """An amount of ``unit`` as whole wei; never by way of a float, which cannot hold most decimals."""

    def parse(value: Any) -> Wei:
        if isinstance(value, bool | float) or not isinstance(value, int | str | Decimal):
            raise ValueError(f"an amount of {unit} is expected")
        try:
            wei = Decimal(value).scaleb(decimals, _EXACT)
            exact = int(wei)
        except (DecimalException, ValueError, OverflowError) as error:
            raise ValueError(f"an amount of {unit} is expected") from error
        if exact != wei or not 0 <= exact < 2**128:
            raise ValueError(
                f"an amount of {unit} is expected, not negative, with at most {decimals} decimals"
            )
        return Wei(exact)

    return parse


eth: Final = _amount("ETH", 18)
gwei: Final = _amount("gwei", 9)


_ROLES: Final = {"prove": Role.PROVE, "verify": Role.VERIFY}


def gpus(value: Any) -> tuple[str, ...]:
    """() for none, ("all",), or the ids of some."""
    found: tuple[str, ...] = tuple(list_of(text)(value))
    if found == ("none",):
        return ()
    if found != ("all",) and not all(re.fullmatch(r"(GPU|MIG)-[0-9A-Za-z-]{4,80}", one) for one in found):
        raise ValueError("none, all, or ids such as GPU-0a1b2c3d… are expected")
    return found


def roles(value: Any) -> Role:
    given = Role(0)
    for name in list_of(text)(value):
        if name.lower() not in _ROLES:
            raise ValueError("roles are prove and verify")
        given |= _ROLES[name.lower()]
    if not given:
        raise ValueError("at least one of prove and verify is needed")
    return given

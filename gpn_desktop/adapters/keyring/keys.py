"""Keys from their text, checked; the text itself never gets into an error."""

from __future__ import annotations

import re
import secrets
from typing import Final

from gpn_desktop.core.eip712 import HALF_ORDER, address_of_secret
from gpn_desktop.core.errors import KeyUnusable
from gpn_desktop.ports.secrets import NodeKey

ORDER: Final = 2 * HALF_ORDER + 1
_HEX = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")


def key_from_secret(secret: bytes) -> NodeKey:
    """The key of 32 bytes; KeyUnusable when they are no key of the curve."""
    if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < ORDER:
        raise KeyUnusable("The stored bytes are no key: 32 bytes between 1 and the curve's order are.")
    return NodeKey(address_of_secret(secret), secret)


def key_from_hex(text: str) -> NodeKey:
    """The key of 64 hex digits, with or without 0x; KeyUnusable otherwise."""
    match = _HEX.fullmatch(text.strip())
    if match is None:
        raise KeyUnusable("A raw key is 64 hex digits.")
    return key_from_secret(bytes.fromhex(match[1]))


def new_key() -> NodeKey:
    """A fresh key from the system's random source."""
    return key_from_secret((1 + secrets.randbelow(ORDER - 1)).to_bytes(32, "big"))

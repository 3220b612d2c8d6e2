"""JSON from strangers, parsed without risk for the process.

The parser recurses once per level, and trusts the interpreter's recursion limit to stop it. That limit is the
whole process's, and a library of the chain's raises it to 100,000: more levels than the stack holds, so that
100 KB of brackets from a prover or a chain node would kill this node. So the levels are counted beforehand.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

MAX_DEPTH: Final = 200  # levels; what is exchanged here has fewer than ten
_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)


def parse(text: bytes | str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON in UTF-8, or has more than ``MAX_DEPTH`` levels.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    # Most texts have fewer brackets than levels are allowed; counting them costs next to nothing.
    if text.count("[") + text.count("{") > MAX_DEPTH and _too_deep(text):
        raise ValueError(f"JSON of more than {MAX_DEPTH} levels")
    return json.loads(text)


def _too_deep(text: str) -> bool:
    depth = 0
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif first != '"':
            depth -= 1
    return False

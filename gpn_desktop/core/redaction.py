"""Secrets cut out of texts, with a mark in their place: what is logged or sent on for help holds none.

Addresses and hashes stay, since without them nobody can help: 64 hex digits are taken for a key only behind a
word that says so. A mnemonic is known by its form, not by a word list: twelve or more short words in a row,
none of which is one of the little words that every sentence has and that no mnemonic can have.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

MARK: Final = re.compile(r"‹redacted: [a-z ]{1,20}›")
_HEX_SCREEN: Final = re.compile(r"[0-9a-fA-F]{64}")
_WORDY_KEY: Final = re.compile(
    r"(?i)((?<!public )(?<!public_)(?<!public-)(?<!pub)(?<!public)(?:key|secret|priv\w*|phrase|password)"
    r"(?:[_ -]?(?:hex|bytes|material|value))?\b[^0-9a-zA-Z]{0,12}"
    r"(?:(?:is|was|b|of|from)\b[^0-9a-zA-Z]{0,6}){0,2})"
    r"(?:0x)?[0-9a-f]{64}(?![0-9a-f])"
)
_NAMED: Final = re.compile(
    r"(?i)\b((?:[a-z0-9]{1,20}[_-])?(?:password|passwd|passphrase|api[_-]?key|apikey|access[_-]?token|auth[_-]?token|"
    r"client[_-]?secret|secret|token)[\"']?\s{0,2}[=:]\s{0,2}[\"']?)"
    r"(?!‹redacted)([^\s\"',;&)}\]]{3,})"
)
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+(?!‹redacted)[a-z0-9._~+/=-]{8,}")
_NAME_WORDS: Final = ("pass", "secret", "token", "api_key", "api-key", "apikey", "bearer", "basic")
_URL: Final = re.compile(r"\b([a-zA-Z][a-zA-Z0-9+.-]{1,11}://)([^\s\"'<>‹›|\\^`{}]{1,2000})")
_RUN: Final = re.compile(r"(?i)\b[a-z]{3,8}(?:(?:\s|,\s?|\s?\d{1,2}[.)]\s?){1,3}[a-z]{3,8}){11,}\b")
_KEYED_RUN: Final = re.compile(
    r"(?i)\b(mnemonic|recovery phrase|seed phrase|seed words)\b([\s:=\"'(\[]{1,6}(?:is\s|was\s)?)"
    r"[a-z]{3,8}(?:[\s,]{1,2}[a-z]{3,8}){5,}"
)
_LITTLE: Final = frozenset(
    ("the", "and", "for", "was", "were", "are", "has", "had", "been", "from", "its", "did", "does", "per",
     "our", "his", "but", "which", "than", "them")
)  # fmt: skip
_KEY_FOLDERS: Final = re.compile(r"(?i)v\d{1,2}|key|keys|apikey|token|rpc|ws")
_TRAILING: Final = ".,;:!?)]"


def mark(what: str) -> str:
    return f"‹redacted: {what}›"


def redact(text: str) -> str:
    """The text without its secrets; doing it twice changes nothing more.

    Most texts hold none, and are told apart by a few searches that cost next to nothing.
    """
    if len(text) >= 64 and _HEX_SCREEN.search(text):
        text = _WORDY_KEY.sub(rf"\1{mark('private key')}", text)
    if "://" in text:
        text = _URL.sub(_clean_url, text)
    lower = text.lower()
    if any(word in lower for word in _NAME_WORDS):
        text = _NAMED.sub(rf"\1{mark('secret')}", text)
        text = _BEARER.sub(rf"\1 {mark('secret')}", text)
    if "mnemonic" in lower or "phrase" in lower or "seed words" in lower:
        text = _KEYED_RUN.sub(rf"\1\2{mark('mnemonic')}", text)
    if len(text) >= 47 and sum(text.count(space) for space in " \n\t,") >= 11:
        text = _RUN.sub(_clean_run, text)
    return text


def marks(text: str) -> int:
    """How many secrets were cut out of a text."""
    return len(MARK.findall(text))


def _clean_run(found: re.Match[str]) -> str:
    """Each stretch of twelve words and more between the little ones is taken for a mnemonic."""
    made: list[str] = []
    stretch: list[str] = []
    for part in re.split(r"([a-zA-Z]{3,8})", found[0]):
        if part.lower() in _LITTLE:
            made += [_stretch(stretch), part]
            stretch = []
        else:
            stretch.append(part)
    return "".join([*made, _stretch(stretch)])


def _stretch(parts: list[str]) -> str:
    text = "".join(parts)
    if sum(part.isalpha() for part in parts) < 12:
        return text
    head = text[: len(text) - len(text.lstrip())]
    return head + mark("mnemonic") + text[len(text.rstrip()) :]


def _clean_url(found: re.Match[str]) -> str:
    """User, password, access keys in path and query, and the fragment are cut; host and port stay."""
    whole = found[2]
    rest = whole.rstrip(_TRAILING)
    try:
        parts = urlsplit(found[1] + rest)
        host = parts.netloc
    except ValueError:
        return found[1] + mark("address")
    if "@" in host:
        host = f"{mark('login')}@{host.rsplit('@', 1)[1]}"
    path, query = _clean_path(parts.path), ""
    if parts.query:
        query = "?" + (parts.query if "‹" in parts.query else mark("query"))
    return found[1] + host + path + query + whole[len(rest) :]


def _clean_path(path: str) -> str:
    segments = path.split("/")
    for at, segment in enumerate(segments):
        behind = at > 0 and bool(_KEY_FOLDERS.fullmatch(segments[at - 1]))
        long = len(segment) >= 20 and any(c.isdigit() for c in segment)
        if long or (behind and len(segment) >= 8):
            segments[at] = mark("access key")
    return "/".join(segments)

"""What must never be read in a log or a bundle, and what must stay readable in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.core.redaction import MARK, marks, redact

KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
WORDS = "test test test test test test test test test test test junk"
HASH = "0x" + "5e" * 32


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"private key: {KEY}", KEY),
        (f"PRIVATE_KEY=0x{KEY}", KEY),
        (f'{{"privateKey": "{KEY}"}}', KEY),
        (f"NodeKey(secret=b'{KEY}')", KEY),
        (f"the key is 0x{KEY}, and it was used", KEY),
        ("password=hunter22", "hunter22"),
        ('"passphrase": "correct horse"', "correct"),
        ("api_key = 9f8e7d6c5b4a", "9f8e7d6c5b4a"),
        ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30", "eyJhbGciOiJIUzI1NiJ9"),
        ("wss://eth.example/v3/0123456789abcdef0123456789abcdef", "0123456789abcdef"),
        ("https://user:pa55word@rpc.example:8545/", "pa55word"),
        ("https://rpc.example/?apikey=abcdef1234", "abcdef1234"),
        (f"mnemonic: {WORDS}", "junk"),
        (f"restoring from {WORDS}", "junk"),
        (" ".join(f"{at}. {word}" for at, word in enumerate(WORDS.split(), 1)), "junk"),
        (WORDS.replace(" ", "\n"), "junk"),
    ],
)  # fmt: skip
def test_secrets_are_cut_out(text: str, secret: str) -> None:
    clean = redact(text)
    assert secret not in clean
    assert marks(clean) >= 1
    assert redact(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        f"request {HASH} was settled with {HASH}",
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 committed",
        "/ip4/203.0.113.7/tcp/4001/p2p/16Uiu2HAmPc8sQZqkTgQ3f8rXW5yJ1bVnKd4o7u9Lx2sE6tRaYh",
        "The chain node at wss://eth.example:8546 does not answer.",
        "the prover and the verifiers have signed their votes for this proof and it was settled in time",
        "public key 0x" + "ab" * 32,
        "",
    ],
)
def test_what_helps_stays(text: str) -> None:
    assert redact(text) == text


@given(st.text(max_size=300))
def test_nothing_breaks_it_and_twice_is_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.text(alphabet="abc =:\n‹›", max_size=60), st.text(alphabet="xyz .,\n", max_size=60))
def test_a_key_is_cut_out_wherever_it_stands(before: str, after: str) -> None:
    clean = redact(f"{before} secret key: {KEY} {after}")
    assert KEY not in clean
    assert MARK.search(clean)

"""A prover to begin with: it proves that a number is composite, by one of its factors.

The input is the number in decimal digits. Replace ``statement``, ``prove`` and ``validate`` by your own proof
system; server.py does the rest. Whatever is slow the first time (loading keys, compiling) belongs before
``serve``: the node waits for the first answer, and a validation that is late is a vote that is missing.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from server import BadRequest, serve

LONGEST = 15  # digits


def statement(data: bytes) -> int:
    """The number; BadRequest for anything else than its one form, because every form is another request."""
    text = data.decode("ascii", "replace")
    if not text.isdecimal() or not text.isascii() or len(text) > LONGEST or (text[0] == "0" and text != "0"):
        raise BadRequest(f"the input is no number of up to {LONGEST} digits")
    return int(text)


class Factors:
    def prove(self, request_id: str, data: bytes) -> bytes:
        number = statement(data)
        factor = next((n for n in range(2, int(number**0.5) + 1) if number % n == 0), 0)
        if not factor:
            raise BadRequest("the number has no factors: there is nothing to prove")
        return factor.to_bytes(8, "big") + _tag(request_id, data)

    def validate(self, request_id: str, proof: bytes, data: bytes) -> bool:
        """False for whatever is no proof: an error here would be a vote that is missing."""
        try:
            number = statement(data)
        except BadRequest:
            return False
        factor = int.from_bytes(proof[:8], "big")
        return 1 < factor < number and number % factor == 0 and proof[8:] == _tag(request_id, data)


def _tag(request_id: str, data: bytes) -> bytes:
    """Ties a proof to its request, as far as a plain hash can: anybody could make another. A proof system
    does it by a public input, which cannot be changed without proving anew."""
    return sha256(request_id.encode() + b"\0" + data).digest()


if __name__ == "__main__":
    serve(Factors(), Path(__file__).resolve().parent)

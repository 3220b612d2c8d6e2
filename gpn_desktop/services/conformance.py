"""Whether an image keeps to the prover image API: what its author runs before anybody stakes on it.

Good, tampered and hostile inputs, each as the network or a stranger would send it. A ``must`` that fails is a
fault that operators would pay for; a ``should`` is a weakness that the author had better know of.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gpn_desktop.core import jsontext
from gpn_desktop.core import manifest as manifests
from gpn_desktop.core.errors import GpnError, InputRefused, ManifestInvalid
from gpn_desktop.core.manifest import Manifest
from gpn_desktop.ports.runtime import ImageProbe, ImageRef, ProverRuntime
from gpn_desktop.services.workshop import spoiled

WITHIN: Final = 30.0
REF: Final = "conformance"
LARGE: Final = 1024 * 1024


class Bench(ProverRuntime, ImageProbe, Protocol):
    """A runtime that can also be asked anything."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. ``must``: a failure here makes the image unfit."""

    name: str
    good: bool
    must: bool
    detail: str


class Failed(Exception):
    """A check did not hold; the message says how."""


@dataclass
class Conformance:
    """Checks one image that the runtime can start. ``data`` replaces the manifest's sample input."""

    runtime: Bench
    image: ImageRef
    data: bytes | None = None
    _proof: bytes = b""

    async def run(self) -> AsyncIterator[Check]:
        """Each check as it ends; the first that fails to start the image is the last."""
        started = await self._check("starts and answers", True, self._starts)
        yield started
        if not started.good:
            return
        for name, must, check in self._plan():
            yield await self._check(name, must, check)
            # A fault in one check must not put the image aside for those that follow.
            self.runtime.pardon(self.image)

    def _plan(self) -> list[tuple[str, bool, Callable[[], Awaitable[str]]]]:
        return [
            ("manifest is valid", False, self._manifest),
            ("proves its sample", True, self._proves),
            ("accepts its own proof", True, self._accepts),
            ("proves again, and accepts both", True, self._again),
            ("refuses tampered proofs", True, self._tampered),
            ("refuses what is no proof", True, self._nonsense),
            ("refuses a proof of another input", True, self._other_data),
            ("binds a proof to its request", False, self._other_ref),
            ("refuses inputs that it cannot prove", True, self._bad_inputs),
            ("answers malformed calls and goes on", True, self._malformed),
            ("answers unknown paths", False, self._unknown),
            ("needs no network", True, self._offline),
            ("is still sound afterwards", True, self._sound),
        ]

    async def _check(self, name: str, must: bool, check: Callable[[], Awaitable[str]]) -> Check:
        try:
            return Check(name, True, must, await check())
        except Failed as failed:
            return Check(name, False, must, str(failed))
        except GpnError as error:
            return Check(name, False, must, f"{error.message} [{error.code}]")

    # what is checked --------------------------------------------------------------------------------------

    async def _starts(self) -> str:
        await self.runtime.ensure(self.image)
        return "within the time for starting"

    async def _manifest(self) -> str:
        answer = await self.runtime.ask(self.image, "GET", "/manifest", b"", WITHIN)
        if answer.status != 200:
            raise Failed(f"GET /manifest answers HTTP {answer.status}: defaults hold, and there is no sample")
        try:
            value = jsontext.parse(answer.body)
            manifests.parse(value)
        except ValueError:
            raise Failed("GET /manifest is no JSON") from None
        except ManifestInvalid as error:
            raise Failed(error.message) from None
        unknown = sorted(set(value) - set(manifests.FIELDS))
        if unknown:
            raise Failed(f"fields that mean nothing here: {', '.join(unknown)[:200]}")
        if not value.get("sample"):
            raise Failed("no sample: nobody can try the image without knowing its input")
        return ", ".join(f"{name} {value[name]}" for name in manifests.FIELDS[2:-1] if name in value)

    async def _proves(self) -> str:
        data = self._input()
        if not data and not self._said().sample:
            raise Failed("there is no sample input: put one into the manifest, or give --data FILE")
        self._proof = await self._prove(REF, data)
        if not self._proof:
            raise Failed("the proof is empty")
        return f"{len(self._proof):,} bytes"

    async def _accepts(self) -> str:
        if not await self._valid(self._proof):
            raise Failed("its own proof is invalid to it")
        return ""

    async def _again(self) -> str:
        second = await self._prove(REF, self._input())
        if not await self._valid(second) or not await self._valid(self._proof):
            raise Failed("after a second proof, one of the two is invalid")
        return "the same bytes" if second == self._proof else "another proof of the same"

    async def _tampered(self) -> str:
        proof = self._proof
        places = sorted({0, len(proof) // 3, len(proof) // 2, len(proof) * 3 // 4, len(proof) - 1})
        flipped = [proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :] for at in places if at < len(proof)]
        wrong = [spoiled(proof), *flipped, proof[:-1], proof + b"\0", proof * 2]
        return await self._all_refused([p for p in wrong if p != proof], "a changed proof")

    async def _nonsense(self) -> str:
        length = len(self._proof)
        wrong = [b"", b"\0", bytes(length), b"\xff" * length, b"no proof", b"{}", bytes(LARGE)]
        return await self._all_refused(wrong, "what is no proof")

    async def _all_refused(self, proofs: list[bytes], what: str) -> str:
        for proof in proofs:
            if await self._valid(proof):
                raise Failed(f"{what} of {len(proof):,} bytes is valid to it")
        return f"{len(proofs)} of them"

    async def _other_data(self) -> str:
        for data in (self._input() + b" ", self._input()[:-1], spoiled(self._input())):
            try:
                if await self._valid(self._proof, data=data):
                    # An input may have several forms that mean the same, such as a blank behind JSON.
                    raise Failed(f"the proof holds for another input as well: {data[-20:]!r} at its end")
            except InputRefused:
                continue
        return ""

    async def _other_ref(self) -> str:
        if await self._valid(self._proof, ref="another request"):
            raise Failed("a proof holds for any request with the same input: it can be copied")
        return ""

    async def _bad_inputs(self) -> str:
        for data in (b"", b"\0\xff" * 50, b"{}", b"[" * 10_000, b"\0" * LARGE):
            try:
                proof = await self._prove(REF, data)
            except InputRefused:
                continue
            if not await self._valid(proof, data=data):
                raise Failed(f"it proves an input of {len(data):,} strange bytes, and refuses the proof")
        return "with HTTP 4xx, or proves them"

    async def _malformed(self) -> str:
        proof, data = _text(self._proof), _text(self._input())
        bodies: list[bytes] = [
            b"", b"no JSON", b"[]", b"null", b'{"request_id": 1}', b"[" * 100_000, b"\xff\xfe",
            _json(request_id=REF, data=data),
            _json(request_id=REF, data="%%%", proof=proof),
            _json(request_id=REF, data=data, proof=7),
            _json(request_id=["x"], data=data, proof=proof),
        ]  # fmt: skip
        for body in bodies:
            answer = await self.runtime.ask(self.image, "POST", "/validate", body, WITHIN)
            if answer.status == 200 and b"true" in answer.body:
                raise Failed(f"a malformed call is a valid proof to it: {body[:60]!r}")
            if answer.status >= 500:
                raise Failed(f"a malformed call is an error of its own, HTTP {answer.status}: {body[:60]!r}")
        return f"{len(bodies)} of them"

    async def _unknown(self) -> str:
        answer = await self.runtime.ask(self.image, "GET", "/no/such/path", b"", WITHIN)
        if answer.status != 404:
            raise Failed(f"HTTP {answer.status} instead of 404")
        return ""

    async def _offline(self) -> str:
        usage = await self.runtime.usage(self.image)
        if usage is not None and usage.reached_out:
            raise Failed(f"it tried to reach a network {usage.reached_out:,} times")
        return ""

    async def _sound(self) -> str:
        before = asyncio.get_running_loop().time()
        if not await self._valid(await self._prove("afterwards", self._input()), ref="afterwards"):
            raise Failed("its own proof is invalid to it by now")
        return f"{asyncio.get_running_loop().time() - before:.2f} s for a proof and its verification"

    # calls ------------------------------------------------------------------------------------------------

    def _said(self) -> Manifest:
        return self.runtime.status(self.image).manifest or Manifest()

    def _input(self) -> bytes:
        return self._said().sample if self.data is None else self.data

    async def _prove(self, ref: str, data: bytes) -> bytes:
        limits = self.runtime.status(self.image).limits
        return await self.runtime.prove(self.image, ref, data, limits.prove_seconds if limits else WITHIN)

    async def _valid(self, proof: bytes, ref: str = REF, data: bytes | None = None) -> bool:
        data = self._input() if data is None else data
        return await self.runtime.validate(self.image, ref, proof, data, WITHIN)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _json(**fields: Any) -> bytes:
    return json.dumps(fields).encode()

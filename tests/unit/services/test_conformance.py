"""The conformance suite itself: each weakness that it looks for is found, and only that one."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gpn_desktop.adapters.builtin.runtime import BuiltinRuntime
from gpn_desktop.core.errors import InputRefused, ProverFault, ProverLost
from gpn_desktop.core.images import ImageLife, ImageState
from gpn_desktop.core.manifest import Limits, Manifest
from gpn_desktop.core.types import Hash32
from gpn_desktop.ports.runtime import Answer, ImageRef, ImageStatus, JobLog, Progress, Usage
from gpn_desktop.services.conformance import Check, Conformance

IMAGE = ImageRef("test/image", Hash32(bytes(32)))
SAMPLE = b"sample 7"
MANIFEST = {"name": "n", "prove_seconds": 5, "sample": {"data": "c2FtcGxlIDc="}}


def right(ref: str, data: bytes) -> bytes:
    return hashlib.sha256(ref.encode() + b"\0" + data).digest()


@dataclass
class Image(BuiltinRuntime):
    """An image that keeps to the API but for what a test makes it do."""

    proves: Callable[[str, bytes], bytes] = right
    accepts: Callable[[str, bytes, bytes], bool] = lambda ref, proof, data: proof == right(ref, data)
    manifest: bytes = field(default_factory=lambda: json.dumps(MANIFEST).encode())
    malformed: Answer = Answer(400, b"{}")  # noqa: RUF009 (frozen)
    unknown: int = 404
    reached_out: int = 0
    starts: bool = True

    def __post_init__(self) -> None:
        super().__init__()

    async def ensure(self, image: ImageRef, progress: Progress | None = None, *, prove: bool = True) -> None:
        if not self.starts:
            raise ProverFault("It does not start.")

    def status(self, image: ImageRef) -> ImageStatus:
        return ImageStatus(ImageLife(ImageState.SERVING), manifest=Manifest(sample=SAMPLE), limits=Limits())

    async def prove(
        self, image: ImageRef, ref: str, data: bytes, within: float, log: JobLog | None = None
    ) -> bytes:
        if not data.startswith(b"sample"):
            raise InputRefused("It says no.")
        return self.proves(ref, data)

    async def validate(
        self, image: ImageRef, ref: str, proof: bytes, data: bytes, within: float, log: JobLog | None = None
    ) -> bool:
        return self.accepts(ref, proof, data)

    async def ask(self, image: ImageRef, method: str, path: str, body: bytes, within: float) -> Answer:
        if path == "/manifest":
            return Answer(200 if self.manifest else 404, self.manifest)
        return self.malformed if method == "POST" else Answer(self.unknown, b"")

    async def usage(self, image: ImageRef) -> Usage | None:
        return Usage(0, None, 1, self.reached_out)


async def report(image: Image) -> list[Check]:
    return [check async for check in Conformance(image, IMAGE).run()]


async def failed(image: Image) -> set[str]:
    return {check.name for check in await report(image) if not check.good}


async def test_a_good_image_passes_every_check() -> None:
    found = await report(Image())

    assert [check for check in found if not check.good] == []
    assert len(found) == 14


async def test_one_that_does_not_start_is_checked_no_further() -> None:
    (only,) = await report(Image(starts=False))

    assert (only.good, only.must) == (False, True)
    assert "does not start" in only.detail


def takes_prefix(ref: str, proof: bytes, data: bytes) -> bool:
    return proof[:32] == right(ref, data)


def breaks_on_short(ref: str, proof: bytes, data: bytes) -> bool:
    if len(proof) < 3:
        raise ProverLost("It died.")
    return proof == right(ref, data)


def takes_any(proof: bytes, data: bytes) -> bool:
    return proof == right("", data)


WEAK: list[tuple[Image, set[str]]] = [
    (Image(accepts=lambda ref, proof, data: True),
     {"refuses tampered proofs", "refuses what is no proof", "refuses a proof of another input",
      "binds a proof to its request"}),
    (Image(accepts=lambda ref, proof, data: False),
     {"accepts its own proof", "proves again, and accepts both", "is still sound afterwards"}),
    (Image(accepts=takes_prefix), {"refuses tampered proofs"}),
    (Image(accepts=breaks_on_short), {"refuses what is no proof"}),
    (Image(proves=lambda ref, data: right("", data), accepts=lambda ref, proof, data: takes_any(proof, data)),
     {"binds a proof to its request"}),
    (Image(manifest=b""), {"manifest is valid"}),
    (Image(manifest=b"{"), {"manifest is valid"}),
    (Image(manifest=json.dumps({**MANIFEST, "memory": 5}).encode()), {"manifest is valid"}),
    (Image(manifest=json.dumps({**MANIFEST, "pids": 0}).encode()), {"manifest is valid"}),
    (Image(malformed=Answer(500, b"")), {"answers malformed calls and goes on"}),
    (Image(malformed=Answer(200, b'{"valid": true}')), {"answers malformed calls and goes on"}),
    (Image(unknown=200), {"answers unknown paths"}),
    (Image(reached_out=2), {"needs no network"}),
]  # fmt: skip


@pytest.mark.parametrize(("image", "names"), WEAK)
async def test_each_weakness_is_found_and_nothing_else(image: Image, names: set[str]) -> None:
    async with asyncio.timeout(10):
        assert await failed(image) == names


async def test_what_the_author_had_better_know_is_no_reason_to_refuse() -> None:
    found = await report(Image(unknown=200, manifest=b""))

    assert all(check.good or not check.must for check in found)

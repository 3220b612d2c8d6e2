"""``gpn-desktop request``: a consumer's terminal, from payload to proof, and what it says when refused."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gpn_desktop.adapters.grpc.server import GrpcOptions, GrpcServer
from gpn_desktop.adapters.sqlite import SqliteNonceBook
from gpn_desktop.core.types import hex0x
from gpn_desktop.services.consumer import ConsumerSide
from tests.e2e.world import REWARD, World, world

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def net() -> AsyncIterator[World]:
    async with world(3) as made:
        yield made


@pytest.fixture
async def gateway(net: World) -> AsyncIterator[str]:
    server = GrpcServer(net.nodes[0], GrpcOptions())
    await server.start()
    yield server.target
    await server.aclose()


def key_file(net: World, folder: Path) -> Path:
    path = folder / "consumer.key"
    path.write_text(net.consumer_key.secret.hex())
    path.chmod(0o600)
    return path


async def request(net: World, gateway: str, folder: Path, *more: str, data: bytes) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gpn_desktop", "request", "--gateway", gateway,
        "--ethereum-api", net.local.ws_url, "--contract-address", hex0x(net.contract),
        "--key-file", str(key_file(net, folder)), "--data", "-", "--confirmations", "0",
        "--data-dir", str(folder / "data"), *more,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate(data)
    assert process.returncode is not None
    assert "Traceback" not in err.decode()
    return process.returncode, out.decode(), err.decode()


async def test_a_proof_from_the_terminal(net: World, gateway: str, tmp_path: Path) -> None:
    output = tmp_path / "proof"
    code, _, said = await request(
        net, gateway, tmp_path, "--ref", "cli-1", "--reward", str(REWARD), "--output", str(output),
        data=b"from a terminal",
    )  # fmt: skip
    assert code == 0, said
    assert output.read_bytes() == hashlib.sha256(b"cli-1from a terminal").digest()
    assert "verified" in said
    code, _, said = await request(
        net, gateway, tmp_path, "--ref", "cli-1", "--reward", str(REWARD), data=b"something else"
    )
    assert code == 1
    assert "[GPN-1613]" in said


@pytest.mark.parametrize(
    ("change", "error"),
    [(("--reward", "1"), "GPN-1608"), (("--quorum", "3"), "GPN-1606"), (("--timeout", "90000"), "GPN-1617")],
)
async def test_a_refusal_is_one_line_with_its_code(
    net: World, gateway: str, tmp_path: Path, change: tuple[str, str], error: str
) -> None:
    settings = {"--ref": "cli-2", "--reward": str(REWARD)} | {change[0]: change[1]}
    flat = [word for pair in settings.items() for word in pair]
    code, out, said = await request(net, gateway, tmp_path, *flat, data=b"data")
    assert code == 1
    assert out == ""
    assert f"[{error}]" in said.splitlines()[-1]


async def test_two_at_once_never_sign_on_one_nonce(net: World, gateway: str, tmp_path: Path) -> None:
    ends = await asyncio.gather(
        *(
            request(net, gateway, tmp_path, "--ref", ref, "--reward", str(REWARD), data=ref.encode())
            for ref in ("left", "right")
        )
    )
    assert [code for code, _, _ in ends] == [0, 0], ends
    signed = await SqliteNonceBook(tmp_path / "data" / "consumers" / "nonces.db").signed(
        net.chain.domain, net.consumer
    )
    assert [(s.message.nonce, s.signer) for s in signed] == [(0, net.consumer), (1, net.consumer)]
    assert {s.message.details.ref for s in signed} == {"left", "right"}


async def test_what_was_not_sent_is_sent_as_it_was_signed(net: World, gateway: str, tmp_path: Path) -> None:
    """The gateway is gone when the request is signed; the second run sends the very same one."""
    order = ("--ref", "again", "--reward", str(REWARD))
    book = SqliteNonceBook(tmp_path / "data" / "consumers" / "nonces.db")
    side = ConsumerSide(net.chain, net.consumer_key, 0, book)
    lost = await side.order_once("again", b"data", REWARD, 60)

    code, _, said = await request(net, gateway, tmp_path, *order, data=b"data")

    assert code == 0, said
    assert hex0x(lost.id) in said
    assert [s.digest for s in await book.signed(net.chain.domain, net.consumer)] == [lost.id]


async def test_a_refused_order_takes_no_nonce(net: World, gateway: str, tmp_path: Path) -> None:
    order = ("--ref", "low", "--reward", "1")
    code, _, said = await request(net, gateway, tmp_path, *order, data=b"data")
    assert (code, "[GPN-1608]" in said) == (1, True), said
    book = SqliteNonceBook(tmp_path / "data" / "consumers" / "nonces.db")
    assert await book.signed(net.chain.domain, net.consumer) == []

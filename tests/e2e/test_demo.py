"""``gpn-desktop demo`` as a newcomer runs it, with its faults, to the last line of its output."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

from gpn_desktop.composition.demo_args import reference_images
from tests.contract.runtime.images import need_docker

REWARD = 2_100_000 * 10**9
pytestmark = pytest.mark.timeout(420)


async def demo(*args: str) -> tuple[dict[str, Any], str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gpn_desktop", "demo", "--headless", "--json", *args,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(400):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    text = out.decode()
    assert process.returncode == 0, text + err.decode()
    return json.loads(text.splitlines()[-1]), text


def everything_paid(report: dict[str, Any], nodes: int, requests: int) -> None:
    assert report["errors"] == []
    assert (report["nodes"], report["requests"]) == (nodes, requests)
    assert report["verified"] == report["settled"] == report["paid"] == requests
    assert report["chain_id"] == 31337
    assert len(bytes.fromhex(report["contract"].removeprefix("0x"))) == 20


async def test_every_request_ends_paid() -> None:
    report, text = await demo("--builtin", "--nodes", "5", "--requests", "3")
    everything_paid(report, 5, 3)
    assert report["prover"] == "builtin:test"
    assert (report["attempts"], report["voted_down"], report["taken_over"]) == (3, 0, 0)
    assert report["overhead_ms"]["p50"] < 1000
    assert "books differ by 0 wei" in text


async def test_a_false_proof_is_voted_down_and_the_next_takes_over() -> None:
    report, text = await demo("--builtin", "--nodes", "5", "--requests", "2", "--cheat", "1")
    everything_paid(report, 5, 2)
    assert report["voted_down"] >= 1
    assert report["taken_over"] >= 1
    assert report["attempts"] > 2
    assert "a cheater proves first" in text
    assert "is false; the next in the order takes over" in text


async def test_a_killed_prover_is_replaced_and_comes_back() -> None:
    report, text = await demo("--builtin", "--nodes", "5", "--requests", "2", "--crash")
    everything_paid(report, 5, 2)
    assert report["taken_over"] >= 1
    assert report["voted_down"] == 0
    assert "is back with its journal" in text


async def test_ten_requests_are_settled_in_one_transaction_and_paid_to_the_wei() -> None:
    """With a verifier gone: what it would have earned is burned, and earns nobody anything."""
    report, text = await demo("--builtin", "--nodes", "5", "--requests", "10", "--batch", "--absent", "1")
    everything_paid(report, 5, 10)
    assert report["settlements"] == [11]  # the warm-up among them
    assert report["attested"] == 1
    # A fourth of the verifiers' 20 %, and a fourth of the prover's 20 % for including everybody.
    assert int(report["burned_wei"]) == 11 * REWARD // 10
    assert int(report["paid_wei"]) == 11 * REWARD - int(report["burned_wei"])
    assert "node-5 was paid 0.000000000 ETH" in text


def consumers_paid(report: dict[str, Any], count: int, each: int) -> None:
    """Each had its own requests proved, and spent exactly their rewards and its warm-up's."""
    assert [c["name"] for c in report["consumers"]] == [f"consumer-{n + 1}" for n in range(count)]
    for consumer in report["consumers"]:
        assert consumer["requests"] == consumer["verified"] == consumer["settled"] == consumer["paid"] == each
        assert int(consumer["spent_wei"]) == (each + 1) * REWARD
        assert int(consumer["paid_wei"]) + int(consumer["burned_wei"]) == (each + 1) * REWARD
    for amount in ("paid_wei", "burned_wei"):
        assert sum(int(c[amount]) for c in report["consumers"]) == int(report[amount])
    assert report["settlements"] == [1] * count * (each + 1)


async def test_two_consumers_take_turns_and_each_pays_for_its_own() -> None:
    """With a member gone, so that something is burned of both."""
    args = ("--builtin", "--nodes", "4", "--requests", "2", "--absent", "1", "--consumers", "groth16,mock")
    report, text = await demo(*args)
    everything_paid(report, 4, 2)
    consumers_paid(report, 2, each=1)
    assert {c["prover"] for c in report["consumers"]} == {"builtin:test"}
    assert [c["burned_wei"] for c in report["consumers"]] == [str(2 * REWARD * 2 // 15)] * 2
    assert "request-1 of consumer-1" in text
    assert "request-2 of consumer-2" in text
    assert "books differ by 0 wei" in text


async def test_one_consumers_cheated_request_is_proved_again_and_the_others_is_not_touched() -> None:
    report, _ = await demo("--builtin", "--requests", "2", "--cheat", "1", "--consumers", "mock,mock")
    everything_paid(report, 5, 2)
    assert report["voted_down"] >= 1
    assert report["consumers"][0]["attempts"] > 1
    assert [c["paid"] for c in report["consumers"]] == [1, 1]


async def test_all_reference_provers_prove_in_one_network() -> None:
    need_docker()
    names = reference_images()
    assert len(names) >= 2
    report, _ = await demo("--nodes", "3", "--requests", str(len(names)), "--consumers", ",".join(names))
    everything_paid(report, 3, len(names))
    consumers_paid(report, len(names), each=1)
    for consumer, name in zip(report["consumers"], names, strict=True):
        assert f"gpn/{name}@sha256:" in consumer["prover"]
        assert consumer["prove_ms_p50"] > 0
        assert consumer["verify_ms_p50"] > 0


@pytest.mark.parametrize(
    "args",
    [
        ("--consumers", "groth17"),
        ("--consumers", "mock,mock", "--batch"),
        ("--nodes", "1"),
        ("--requests", "0"),
        ("--cheat", "2", "--nodes", "4"),
        ("--nodes", "3", "--crash"),
        ("--absent", "2", "--nodes", "4"),
        ("--batch", "--cheat", "1"),
        ("--batch", "--requests", "61"),
    ],
)
async def test_what_cannot_be_played_is_said_in_one_line(args: tuple[str, ...]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gpn_desktop", "demo", "--headless", *args, stderr=subprocess.PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert len(err.decode().strip().splitlines()) == 1
    assert "[GPN-1101]" in err.decode()

"""The demo's audit over two consumers: what was spent, paid and burned, and that a missing wei is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gpn_desktop.core.types import WEI_PER_GWEI, ZERO_ADDRESS, Address, Gwei, Hash32, Wei
from gpn_desktop.ports.localnet import Audit, LocalChain
from gpn_desktop.ports.processes import NodeSpec
from gpn_desktop.services.demo.consumers import DEPOSIT, DemoConsumer
from gpn_desktop.services.demo.crew import Crew, Told
from gpn_desktop.services.demo.model import DemoImage, DemoOptions, Outcome, Report
from gpn_desktop.services.demo.stage import Operator, Stage, new_key
from gpn_desktop.services.demo.tally import REWARD_GWEI, Tally
from gpn_desktop.services.views import JobView, Phase

REWARD = REWARD_GWEI * WEI_PER_GWEI
BURNED = REWARD // 10
IMAGES = [DemoImage(name, Hash32(bytes(32)), name, "builtin", b"") for name in ("groth16", "ezkl")]


@dataclass
class Facts:
    """What the chain and its events say of two consumers with ``sent`` requests each."""

    spent: list[int]
    owed: list[int]
    burned: list[int]
    paid_out: int
    contract_burned: int
    changes: dict[Address, int] = field(default_factory=dict)
    places: dict[Address, int] = field(default_factory=dict)
    operator: Address = ZERO_ADDRESS

    # of the chain

    async def consumer(self, address: Address) -> Any:
        return SimpleNamespace(balance=Gwei((DEPOSIT - self.spent[self.places[address]]) // WEI_PER_GWEI))

    async def burned_gwei(self) -> Gwei:
        return Gwei(self.contract_burned // WEI_PER_GWEI)

    # of the books

    def sizes(self) -> list[int]:
        return [1, 2]

    async def expected(self, _: Any, consumer: Address | None = None) -> tuple[Counter[Address], Wei]:
        at = list(self.places.values()) if consumer is None else [self.places[consumer]]
        owed = sum(self.owed[i] for i in at)
        return Counter({self.operator: owed}), Wei(sum(self.burned[i] for i in at))

    # of the local network

    async def audit(self, _: int, accounts: Any) -> Audit:
        return Audit({a: self.changes.get(a, 0) for a in accounts}, 0)


def right() -> Facts:
    """One request of the first consumer's, two of the other's."""
    spent = [REWARD, 2 * REWARD]
    return Facts(spent, [REWARD - BURNED, 2 * REWARD], [BURNED, 0], 3 * REWARD - BURNED, BURNED)


def tally(facts: Facts) -> Tally:
    chain = SimpleNamespace(consumer=facts.consumer, burned=facts.burned_gwei)
    options = DemoOptions(2, 3, 0, False, Path())
    stage = Stage(
        options, IMAGES, cast(Any, facts), Crew(cast(Any, None)), cast(Any, None), cast(Any, None), print
    )
    stage.chain, stage.books = cast(Any, chain), cast(Any, facts)
    for place, image in enumerate(IMAGES):
        key = new_key()
        stage.consumers.append(
            DemoConsumer(f"consumer-{place + 1}", image, key, stage.chain, cast(Any, None))
        )
        facts.places[key.address] = place
    local = LocalChain("", "", 31337, ())
    spec = NodeSpec(
        "node-1", new_key(), new_key().address, Path(), local, ZERO_ADDRESS, (), (), Wei(0), "builtin"
    )
    stage.operators.append(Operator(spec))
    facts.operator = spec.key.address
    facts.changes = {spec.payout: facts.paid_out, stage.contract: -facts.paid_out}
    made = Tally(stage, Report(2, 3))
    made.open()
    first, second = (c.address for c in stage.consumers)
    for number, consumer in enumerate((first, second, second)):
        made.sent[request(number)] = consumer
    return made


def request(number: int) -> Hash32:
    return Hash32(bytes([number]) * 32)


async def test_right_books_have_no_errors_and_each_consumers_own_amounts() -> None:
    made = tally(right())
    await made.audit()
    assert made.report.errors == []
    amounts = [(int(c.spent_wei), int(c.paid_wei), int(c.burned_wei)) for c in made.report.consumers]
    assert amounts == [(REWARD, REWARD - BURNED, BURNED), (2 * REWARD, 2 * REWARD, 0)]
    assert (int(made.report.paid_wei), int(made.report.burned_wei)) == (3 * REWARD - BURNED, BURNED)
    assert made.report.settlements == [1, 2]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        # One consumer pays for the other's request: the sums are right, and the books are not.
        ({"spent": [2 * REWARD, REWARD]}, "consumer-1 spent"),
        ({"owed": [REWARD - BURNED + 1, 2 * REWARD - 1]}, "consumer-2 spent"),
        ({"burned": [0, BURNED]}, "consumer-1 spent"),
        ({"spent": [REWARD, 2 * REWARD + WEI_PER_GWEI]}, "consumer-2 spent"),
        ({"paid_out": 3 * REWARD - BURNED - 1}, "node-1 was paid"),
        ({"contract_burned": BURNED + WEI_PER_GWEI}, "The contract has not burned"),
    ],
)
async def test_what_is_wrong_is_told(wrong: dict[str, Any], told: str) -> None:
    made = tally(replace(right(), **wrong))
    await made.audit()
    assert any(error.startswith(told) for error in made.report.errors), made.report.errors


async def test_wei_that_come_from_nowhere_are_told() -> None:
    facts = right()
    made = tally(facts)
    facts.changes[made.stage.consumers[0].address] = 1
    await made.audit()
    assert made.report.errors == ["The books are off by 1 wei."]


def test_requests_and_times_are_counted_for_the_consumer_that_sent_them() -> None:
    made = tally(right())
    first, second = (c.address for c in made.stage.consumers)
    outcomes = [
        Outcome("a", request(0), first, attempt=1, proof_ok=True),
        Outcome("b", request(1), second, total_ms=30.0, work_ms=10.0, proof_ok=True),
        Outcome("c", request(2), second, proof_ok=False),
        Outcome("d", request(3), second, proof_ok=True),
    ]
    phases = [Phase.PAID, Phase.SETTLED, Phase.PAID]
    seen = {request(n): cast(JobView, SimpleNamespace(phase=phase)) for n, phase in enumerate(phases)}
    warm_up = request(9)
    for number, ms in ((0, 5.0), (1, 100.0), (2, 300.0), (3, 200.0)):
        fields: dict[str, object] = {"request": request(number).hex(), "ms": ms}
        made.stage.crew.told += [Told(first, "proved", fields), Told(second, "validated", fields)]
    made.stage.crew.told.append(Told(first, "proved", {"request": warm_up.hex(), "ms": 9000.0}))
    made.count(outcomes, seen)
    one, two = made.report.consumers
    assert (one.requests, one.verified, one.settled, one.paid, one.attempts) == (1, 1, 1, 1, 2)
    assert (two.requests, two.verified, two.settled, two.paid, two.attempts) == (3, 1, 2, 1, 3)
    assert (one.prove_ms_p50, two.prove_ms_p50, two.verify_ms_p50) == (5.0, 200.0, 200.0)
    report = made.report
    assert (report.verified, report.settled, report.paid, report.attempts) == (2, 3, 2, 5)
    assert report.taken_over == 1
    assert report.overhead_ms == {"p50": 20.0, "p95": 20.0}
    assert [c["prover"] for c in report.json()["consumers"]] == ["groth16", "ezkl"]

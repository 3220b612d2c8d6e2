"""Deployments on a real chain: what is cut off at any moment is one contract in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpn_desktop.adapters.chain.artifact import REGISTRY, SETTLEMENT, Artifact, load_artifact
from gpn_desktop.adapters.chain.deployment import Deployer
from gpn_desktop.adapters.chain.inspection import Inspector
from gpn_desktop.adapters.chain.localnet import AnvilLocalnet
from gpn_desktop.adapters.chain.rpc import Rpc
from gpn_desktop.adapters.chain.signing import contract_address
from gpn_desktop.adapters.chain.writer import Policy
from gpn_desktop.adapters.sqlite import MemoryStore
from gpn_desktop.core.errors import ArtifactDamaged, ContractMissing, TransactionFailed, WrongChain
from gpn_desktop.core.types import Domain, Gwei, Wei
from gpn_desktop.ports.chain import ContractParams, TxRecord, TxState
from gpn_desktop.ports.deployment import Deployment
from gpn_desktop.ports.localnet import LocalChain
from gpn_desktop.services.errand import Errand, Errands
from tests.contract.chain.harness import ARTIFACT, NODE_MODULES, need_anvil

HOUR = 3600
TERMS = ContractParams(
    window=HOUR,
    settle_grace=2 * HOUR,
    max_lifetime=3 * HOUR,
    unbond=7 * HOUR,
    min_stake=Wei(10**17),
    min_reward=Gwei(2000),
    prover_bps=5000,
    inclusion_bps=3000,
    verifier_bps=2000,
    settle_delay=60,
    tip=Gwei(1000),
)


class Killed(Exception):
    """Where a process would have died."""


class Dying(MemoryStore):
    """A journal whose process dies right after it wrote a transaction in this state."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_at: TxState | None = None

    async def put_tx(self, record: TxRecord) -> None:
        await super().put_tx(record)
        if record.state is self.dies_at:
            self.dies_at = None
            raise Killed


@pytest.fixture
async def local() -> AsyncIterator[LocalChain]:
    need_anvil()
    net = AnvilLocalnet(ARTIFACT, NODE_MODULES)
    yield await net.start()
    await net.aclose()


@pytest.fixture
async def rpc(local: LocalChain) -> AsyncIterator[Rpc]:
    found = await Rpc.open(local.ws_url, request_timeout=10)
    yield found
    await found.aclose()


@pytest.fixture
async def store() -> Dying:
    made = Dying()
    await made.open()
    return made


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return load_artifact(ARTIFACT)


def deployer(local: LocalChain, store: Dying, artifact: Artifact, chain_id: int = 31337) -> Deployer:
    return Deployer((local.http_url,), chain_id, local.funded[0], store, artifact, Policy())


@pytest.mark.parametrize("state", [TxState.SIGNED, TxState.SENT, None])
async def test_one_contract_whenever_it_was_cut_off(
    local: LocalChain, rpc: Rpc, store: Dying, artifact: Artifact, state: TxState | None
) -> None:
    errands = Errands(store)
    first = deployer(local, store, artifact)
    await first.start()
    errand = await errands.begin("deploy", {})
    store.dies_at = state
    if state is None:  # mined, and nobody noted it
        await first.deploy(errand.intent, TERMS)
    else:
        with pytest.raises(Killed):
            await errands.carry_out(errand, lambda e: first.deploy(e.intent, TERMS))
    await first.aclose()

    second = deployer(local, store, artifact)
    await second.start()

    async def act(errand: Errand) -> Deployment:
        return await second.deploy(errand.intent, replace(TERMS, window=2 * HOUR))

    ended = await errands.finish(act)
    assert ended is not None
    assert ended[1].params == TERMS, "what was signed is what counts"
    assert ended[1].contract == contract_address(local.funded[0].address, 0)
    assert await rpc.nonce(local.funded[0].address, mined_only=True) == 1
    assert await errands.finish(act) is None
    await second.aclose()


async def test_the_quote_covers_what_it_costs(local: LocalChain, store: Dying, artifact: Artifact) -> None:
    made = deployer(local, store, artifact)
    await made.start()
    quote = await made.quote(TERMS)
    await made.deploy("deploy", TERMS)
    record = await store.tx_by_intent("deploy")
    assert record is not None
    assert 0 < record.fee <= quote.most
    assert abs(quote.gas - record.gas_used) < quote.gas // 20
    await made.aclose()


async def test_both_codes_are_what_the_artifact_says(
    local: LocalChain, rpc: Rpc, store: Dying, artifact: Artifact
) -> None:
    made = deployer(local, store, artifact)
    await made.start()
    found = await made.deploy("deploy", TERMS)
    inspector = Inspector(rpc, Domain(31337, found.contract))
    checks = await inspector.check(artifact)
    assert [(c.name, c.differs_at, c.settings_follow) for c in checks] == [
        (SETTLEMENT, None, True),
        (REGISTRY, None, True),
    ]
    assert (await inspector.state()).registry == checks[1].address
    await made.aclose()


async def test_terms_that_the_constructor_refuses(
    local: LocalChain, store: Dying, artifact: Artifact
) -> None:
    made = deployer(local, store, artifact)
    await made.start()
    with pytest.raises(TransactionFailed, match="BadParams"):
        await made.quote(replace(TERMS, unbond=HOUR))
    await made.aclose()


async def test_another_chain_than_was_meant(local: LocalChain, store: Dying, artifact: Artifact) -> None:
    made = deployer(local, store, artifact, chain_id=1)
    with pytest.raises(WrongChain):
        await made.start()
    await made.aclose()


async def test_an_address_without_a_contract(local: LocalChain, rpc: Rpc, artifact: Artifact) -> None:
    inspector = Inspector(rpc, Domain(31337, local.funded[1].address))
    with pytest.raises(ContractMissing):
        await inspector.check(artifact)
    with pytest.raises(ContractMissing):
        await inspector.state()


def test_an_artifact_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "artifact.json"
    for text in ("", "[]", "{}", '{"runtime": {"GpnSettlement": 1}}', '{"bytecode": "0xzz"}'):
        path.write_text(text)
        with pytest.raises(ArtifactDamaged):
            load_artifact(path)
    with pytest.raises(ArtifactDamaged):
        load_artifact(path.with_name("none"))

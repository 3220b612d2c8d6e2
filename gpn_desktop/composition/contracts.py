"""``gpn-desktop contracts``: deploying the settlement contract, and looking at one that stands."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from gpn_desktop.adapters.chain.artifact import Artifact, load_artifact
from gpn_desktop.adapters.chain.deployment import Deployer, expected_address
from gpn_desktop.adapters.chain.endpoints import websocket_url
from gpn_desktop.adapters.chain.inspection import Inspector
from gpn_desktop.adapters.chain.rpc import Refused, Rpc
from gpn_desktop.adapters.sqlite import SqliteStore
from gpn_desktop.composition.asking import confirm, costs, say, show
from gpn_desktop.composition.demo import ARTIFACT
from gpn_desktop.composition.parts import ENDPOINT_SECONDS, chain_options
from gpn_desktop.composition.sites import Site, find_site, key_of, open_journal
from gpn_desktop.composition.terms import read_terms, term_lines
from gpn_desktop.core.errors import ChainUnreachable, ContractMissing, StoreLocked
from gpn_desktop.core.types import Address, Domain, Wei, hex0x, parse_address
from gpn_desktop.ports.chain import ContractParams
from gpn_desktop.ports.deployment import CodeCheck, ContractState, Deployment
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.errand import Errand, Errands
from gpn_desktop.services.funds import check_funds, in_eth

DEPLOY = "deploy"


async def run_contracts(args: argparse.Namespace) -> int:
    match args.action:
        case "deploy":
            return await _deploy(args)
        case "verify":
            return await _verify(args)
        case _:
            return await _info(args)


# deploy -------------------------------------------------------------------------------------------------


async def _deploy(args: argparse.Namespace) -> int:
    terms = read_terms(args)
    artifact = await asyncio.to_thread(load_artifact, ARTIFACT)
    site = await find_site(args, contract=False)
    key = await key_of(args)
    async with open_journal(_journal_path(site, key.address)) as store:
        errands = Errands(store)
        policy = chain_options(site.config).policy
        deployer = Deployer(site.config.ethereum_api, site.chain_id, key, store, artifact, policy)
        try:
            await deployer.start()

            async def act(errand: Errand) -> Deployment:
                found = await deployer.deploy(errand.intent, _terms_of(errand))
                site.book.add(found)
                return found

            ended = await errands.finish(act)
            if ended is not None:
                say("An earlier deployment was cut off and is done now. Nothing new was deployed.")
                return await _deployed(args, site, artifact, ended[1], resumed=True)
            await _agree(args, site, key, deployer, terms)
            say("Sending. If this is cut off, the same command sees to its end.")
            errand = await errands.begin(DEPLOY, {name: str(value) for name, value in asdict(terms).items()})
            return await _deployed(args, site, artifact, await errands.carry_out(errand, act), resumed=False)
        finally:
            await deployer.aclose()


def _journal_path(site: Site, deployer: Address) -> Path:
    return site.config.deployments_path / f"{site.chain_id}-{deployer.hex()}" / "journal.db"


def _terms_of(errand: Errand) -> ContractParams:
    return ContractParams(**{name: int(value) for name, value in errand.terms.items()})  # type: ignore[arg-type]  # Wei and Gwei are whole numbers


async def _agree(
    args: argparse.Namespace, site: Site, key: NodeKey, deployer: Deployer, terms: ContractParams
) -> None:
    quote = await deployer.quote(terms)
    check_funds(quote, Wei(0))
    say(f"Deploy the settlement contract on chain {site.chain_id}, with these terms for ever:")
    for name, value in term_lines(terms).items():
        say(f"  {name}: {value}")
    say(f"It costs {costs(quote)}, from {hex0x(key.address)}, which has {in_eth(quote.balance)} ETH.")
    await confirm(args.yes)


async def _deployed(
    args: argparse.Namespace, site: Site, artifact: Artifact, found: Deployment, resumed: bool
) -> int:
    """Report it, and whether its code is what it should be."""
    checks = await _checks(site, found.contract, artifact)
    verified = all(check.matches for check in checks)
    result = {**_as_json(found), "resumed": resumed, "verified": verified}
    lines = {
        "contract": hex0x(found.contract),
        "chain": str(found.chain_id),
        "block": str(found.block),
        "transaction": hex0x(found.tx),
        "code": "verified" if verified else "DIFFERS; see `gpn-desktop contracts verify`",
        "noted in": str(site.book.path(found.chain_id)),
    }
    show(result, lines, args.json)
    return 0 if verified else 1


def _as_json(found: Deployment) -> dict[str, object]:
    return {
        "chainId": found.chain_id,
        "contract": hex0x(found.contract),
        "block": found.block,
        "tx": hex0x(found.tx),
        "deployer": hex0x(found.deployer),
        "params": {name: str(value) for name, value in asdict(found.params).items()},
        "sourceHash": found.source_hash,
        "compiler": found.compiler,
    }


# verify and info ----------------------------------------------------------------------------------------


@asynccontextmanager
async def _inspector(site: Site, contract: Address) -> AsyncIterator[Inspector]:
    rpc = await Rpc.open(websocket_url(site.config.ethereum_api[0]), ENDPOINT_SECONDS)
    try:
        yield Inspector(rpc, Domain(site.chain_id, contract))
    except Refused as error:
        raise ChainUnreachable(f"The chain node refuses to answer: {error.message}.") from error
    finally:
        await rpc.aclose()


async def _checks(site: Site, contract: Address, artifact: Artifact) -> list[CodeCheck]:
    async with _inspector(site, contract) as inspector:
        return await inspector.check(artifact)


async def _verify(args: argparse.Namespace) -> int:
    artifact = await asyncio.to_thread(load_artifact, ARTIFACT)
    site = await find_site(args)
    contract = site.domain.contract
    checks = await _checks(site, contract, artifact)
    matches = all(check.matches for check in checks)
    lines = {"contract": f"{hex0x(contract)} on chain {site.chain_id}"}
    lines |= {check.name: _verdict(check) for check in checks}
    result: dict[str, object] = {
        "chainId": site.chain_id,
        "contract": hex0x(contract),
        "matches": matches,
        "sourceHash": artifact.source_hash,
        "compiler": artifact.compiler,
        "codes": [{**asdict(check), "address": hex0x(check.address)} for check in checks],
    }
    if matches:
        async with _inspector(site, contract) as inspector:
            state = await inspector.state()
        lines |= term_lines(state.params)
        result["params"] = {name: str(value) for name, value in asdict(state.params).items()}
    lines["artifact"] = f"solc {artifact.compiler}, sources {artifact.source_hash[:16]}…"
    lines["result"] = "this is the contract that this program knows" if matches else "ANOTHER CONTRACT"
    show(result, lines, args.json)
    return 0 if matches else 1


def _verdict(check: CodeCheck) -> str:
    """What was compared, and how it came out."""
    what = f"{check.size:,} bytes at {hex0x(check.address)}"
    if check.differs_at is not None:
        return f"{what}: DIFFERS at byte {check.differs_at}"
    settings = {
        True: "which follow from the terms",
        False: "which DO NOT FOLLOW from the terms",
        None: "which this chain node could not be asked about",
    }[check.settings_follow]
    return f"{what}: match, but for {check.masked} bytes of settings, {settings}"


async def _info(args: argparse.Namespace) -> int:
    artifact = await asyncio.to_thread(load_artifact, ARTIFACT)
    bare = await find_site(args, contract=False)
    await _look_for_interrupted(bare, artifact)
    site = await find_site(args)
    contract = site.domain.contract
    async with _inspector(site, contract) as inspector:
        state = await inspector.state()
    known = [entry for entry in site.book.deployments(site.chain_id) if entry.contract == contract]
    show(_info_json(site, state, known), _info_lines(site, state, known), args.json)
    return 0


async def _look_for_interrupted(site: Site, artifact: Artifact) -> None:
    """Note what was deployed by a run that did not live to note it."""
    found = await asyncio.to_thread(
        lambda: sorted(site.config.deployments_path.glob(f"{site.chain_id}-*/journal.db"))
    )
    for path in found:
        deployer = parse_address(path.parent.name.split("-")[1])
        try:
            async with open_journal(path) as store:
                await _note_interrupted(site, artifact, deployer, store)
        except StoreLocked:
            say(f"A deployment by {hex0x(deployer)} is under way in another program.")


async def _note_interrupted(site: Site, artifact: Artifact, deployer: Address, store: SqliteStore) -> None:
    errands = Errands(store)
    errand = await errands.unfinished()
    record = await errands.sent(errand) if errand is not None else None
    if errand is None or record is None:
        return
    contract = expected_address(deployer, record)
    try:
        async with _inspector(site, contract) as inspector:
            params, block = (await inspector.state()).params, await inspector.block_of(record.hash)
    except ContractMissing:
        say(
            f"A deployment was cut off: transaction {hex0x(record.hash)}, for {hex0x(contract)}, is not "
            "mined. `gpn-desktop contracts deploy` with the same key sees to its end."
        )
        return
    site.book.add(
        Deployment(
            site.chain_id, contract, block, record.hash, deployer, params,
            artifact.source_hash, artifact.compiler,
        )
    )  # fmt: skip
    await errands.end(errand)
    say(f"A deployment that was cut off is at {hex0x(contract)}, and noted now.")


def _info_json(site: Site, state: ContractState, known: list[Deployment]) -> Mapping[str, object]:
    return {
        "chainId": site.chain_id,
        "contract": hex0x(site.domain.contract),
        "registry": hex0x(state.registry),
        "deployment": _as_json(known[-1]) if known else None,
        "params": {name: str(value) for name, value in asdict(state.params).items()},
        "consumers": state.consumers,
        "provers": state.provers,
        "stakedWei": str(state.staked),
        "depositedGwei": state.deposited,
        "burnedGwei": state.burned,
        "balanceWei": str(state.balance),
    }


def _info_lines(site: Site, state: ContractState, known: list[Deployment]) -> dict[str, str]:
    lines = {"contract": hex0x(site.domain.contract), "chain": str(site.chain_id)}
    if known:
        lines |= {"block": str(known[-1].block), "deployed by": hex0x(known[-1].deployer)}
    return lines | {
        **term_lines(state.params),
        "consumers": f"{state.consumers}, with deposits of {in_eth(state.deposited * 10**9)} ETH",
        "provers": f"{state.provers}, with stakes of {in_eth(state.staked)} ETH",
        "burned": f"{in_eth(state.burned * 10**9)} ETH",
        "balance": f"{in_eth(state.balance)} ETH",
    }

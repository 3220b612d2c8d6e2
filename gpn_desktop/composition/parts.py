"""From settings to the parts of a node."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from functools import partial

from gpn_desktop import __version__
from gpn_desktop.adapters.chain.endpoints import websocket_url
from gpn_desktop.adapters.chain.evm import EvmChain, EvmOptions
from gpn_desktop.adapters.chain.fees import Fees
from gpn_desktop.adapters.chain.rpc import Rpc
from gpn_desktop.adapters.chain.writer import Policy
from gpn_desktop.adapters.docker import local_digest
from gpn_desktop.adapters.fiat import OwnRates
from gpn_desktop.adapters.grpc.server import GrpcOptions, GrpcServer
from gpn_desktop.adapters.p2p.network import LibP2PNetwork
from gpn_desktop.adapters.p2p.options import NetworkOptions
from gpn_desktop.adapters.sqlite import SqliteStore
from gpn_desktop.adapters.system.clock import SystemClock
from gpn_desktop.adapters.system.deployments import FileDeploymentBook
from gpn_desktop.adapters.system.disk import used
from gpn_desktop.adapters.system.machine import SystemMachine
from gpn_desktop.adapters.system.preferences import FileDocument
from gpn_desktop.composition.provers import Provers, build_provers, docker_options
from gpn_desktop.config import ImageChoice, Mode, NodeConfig, RuntimeKind
from gpn_desktop.core.batching import Terms
from gpn_desktop.core.eip712 import keccak
from gpn_desktop.core.errors import ChainUnreachable, ConfigError, DeploymentUnknown
from gpn_desktop.core.types import TESTING_DOMAIN, Address, Domain
from gpn_desktop.ports.runtime import ImageRef
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.authority import Authority, ChainAuthority, TestingAuthority, testing_consumer
from gpn_desktop.services.context import Context, Emit, NodeOptions, ignore
from gpn_desktop.services.fiat import Fiat
from gpn_desktop.services.meters import Gauges, Meters
from gpn_desktop.services.node import Node
from gpn_desktop.services.pausing import Pausing
from gpn_desktop.services.trials import Trials

log = logging.getLogger("gpn")

LOCAL_CHAIN_ID = 31337
ENDPOINT_SECONDS = 10.0
DAY = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Extras:
    """What the demo asks of its nodes beyond the settings. ``label`` names the network for people."""

    emit: Emit = ignore
    prove_seconds: float = 0.0
    cheat: bool = False
    label: str = ""


async def build_node(config: NodeConfig, key: NodeKey, extras: Extras) -> Node:
    """All parts of a node, nothing started yet.

    Raises:
        ConfigError: the settings don't make a node.
        ChainUnreachable: no endpoint answers.
    """
    config.check_ready()
    config = find_contract(await find_chain(config))
    if extras.cheat and config.chain_id != LOCAL_CHAIN_ID:
        raise ConfigError("Cheating is for showing what happens to cheats, on a local chain only.")
    if config.mode is Mode.TESTING:
        return await _testing_node(config, key, extras)
    return _node(config, key, extras)


def _node(config: NodeConfig, key: NodeKey, extras: Extras) -> Node:
    if config.chain_id is None or config.contract is None:
        raise ConfigError(
            "chain.id (GPN_CHAIN_ID) is not set; it guards against an endpoint of another chain."
        )
    domain = Domain(config.chain_id, config.contract)
    store = SqliteStore(config.store_path(config.chain_id))
    chain = EvmChain(config.ethereum_api, config.contract, config.chain_id, key, store, chain_options(config))
    clock = SystemClock()
    delay = config.confirmations + 1 if config.confirmations else 0
    authority = ChainAuthority(chain, clock, config.confirmations, delay)
    provers = _provers(config, key, extras)
    context = _context(config, key, domain, provers, store, clock, config.consumer_addresses, extras)
    return _furnish(config, Node(context, authority, chain, provers.images), provers)


def _furnish(config: NodeConfig, node: Node, provers: Provers) -> Node:
    """What an operator has around it: trials of images, and pausing."""
    kept = FileDocument(config.data_dir / "pause.json")
    node.trials = _trials(config, node, provers)
    node.ledger.fiat = Fiat(FileDocument(config.data_dir / "fiat.json"), OwnRates())
    node.pausing = Pausing(
        SystemMachine(), node.ctx.clock, kept, node.apply_pause, node.stop_now, provers.sensors
    )
    return node


def _trials(config: NodeConfig, node: Node, provers: Provers) -> Trials | None:
    """Images are tried where they are run: in containers."""
    if config.runtime is RuntimeKind.BUILTIN:
        return None
    ctx = node.ctx

    async def pulled(image: ImageRef) -> None:
        await provers.images.pull(image)  # it is here already: only the book learns of it

    return Trials(
        provers.runtime, ctx.clock, ctx.store, docker_options(config).caps, provers.sensors,
        node.serves, ctx.changed, pulled,
    )  # fmt: skip


def chain_options(config: NodeConfig) -> EvmOptions:
    """How the operator wants the chain to be used."""
    fees = Fees(ceiling=config.max_fee, priority_ceiling=config.max_priority)
    policy = Policy(fees=fees, confirmations=config.confirmations)
    return EvmOptions(deployed_at=config.contract_block, policy=policy)


async def _testing_node(config: NodeConfig, key: NodeKey, extras: Extras) -> Node:
    pinned = tuple([await _pinned(config, choice) for choice in config.images])
    serve = tuple(testing_consumer(image.name) for image in pinned)
    store = SqliteStore(config.store_path(0))
    clock = SystemClock()
    authority: Authority = TestingAuthority(
        TESTING_DOMAIN, config.members, pinned, clock, store, config.quorum
    )
    provers = _provers(config, key, extras)
    context = _context(config, key, TESTING_DOMAIN, provers, store, clock, serve, extras)
    return _furnish(config, Node(context, authority, None, provers.images), provers)


async def _pinned(config: NodeConfig, choice: ImageChoice) -> ImageRef:
    """An image by digest; in testing mode a name stands for what this machine has under it."""
    digest = choice.digest
    if digest is None and config.runtime is RuntimeKind.BUILTIN:
        digest = keccak(choice.name.encode())  # the test prover runs no image
    if digest is None:
        digest = await asyncio.to_thread(local_digest, choice.name)
    if digest is None:
        raise ConfigError(
            f"node.consumers (CONSUMERS): there is no image {choice.name} on this machine.",
            remedy="Pull or build it, or write NAME@sha256:DIGEST.",
        )
    return ImageRef(choice.name, digest)


def _context(
    config: NodeConfig,
    key: NodeKey,
    domain: Domain,
    provers: Provers,
    store: SqliteStore,
    clock: SystemClock,
    serve: tuple[Address, ...],
    extras: Extras,
) -> Context:
    testing = config.mode is Mode.TESTING
    options = NodeOptions(
        version=__version__,
        network=extras.label or ("testing" if testing else str(domain.chain_id)),
        payout=config.payout or key.address,
        serve=serve,
        roles=config.roles,
        capacity=config.capacity,
        stake=config.stake,
        min_reward=config.min_reward,
        auto_claim=config.auto_claim,
        canaries=config.canaries,
        report_faults=config.report_faults,
        settle=Terms(config.settle_batch, config.settle_age, config.settle_gas),
        keep_blobs_seconds=config.keep_days * DAY,
    )
    network = LibP2PNetwork(key, domain, network_options(config))
    gauges = Gauges(network.restarts, partial(used, config.store_path(domain.chain_id)))
    return Context(
        key, domain, options, network, provers.runtime, store, clock, extras.emit, provers.cluster,
        meters=Meters(gauges),
    )  # fmt: skip


def _provers(config: NodeConfig, key: NodeKey, extras: Extras) -> Provers:
    return build_provers(config, key.address.hex()[:16], extras.prove_seconds, extras.cheat, extras.emit)


def network_options(config: NodeConfig) -> NetworkOptions:
    return NetworkOptions(
        host=config.p2p_host,
        port=config.p2p_port,
        bootstrap=config.bootstrap,
        announce=config.announce,
        mdns=config.mdns,
        book=config.store_path(config.chain_id or 0).with_name("peers.json"),
        namespace=config.namespace,
        fetch_protocol=config.protocol_id,
        sync_protocol=config.sync_protocol_id,
    )


async def find_chain(config: NodeConfig) -> NodeConfig:
    """The settings with all endpoints, the first that answers in front, and the chain's id if none was set.

    Raises:
        ChainUnreachable: none answers.
    """
    if config.mode is Mode.TESTING or not config.ethereum_api:
        return config
    urls = [websocket_url(url) for url in config.ethereum_api]
    last: ChainUnreachable | None = None
    for url in urls:
        try:
            rpc = await Rpc.open(url, request_timeout=ENDPOINT_SECONDS)
            try:
                chain_id = await rpc.chain_id()
            finally:
                await rpc.aclose()
        except ChainUnreachable as error:
            log.warning("an endpoint is left out: %s", error)
            last = error
            continue
        in_turn = (url, *(other for other in urls if other != url))
        return replace(config, ethereum_api=in_turn, chain_id=config.chain_id or chain_id)
    assert last is not None
    raise last


def find_contract(config: NodeConfig) -> NodeConfig:
    """The settings with the contract and its block: as set, else the chain's newest known deployment.

    Raises:
        DeploymentUnknown: none is set, and none is known.
    """
    if config.mode is Mode.TESTING or config.chain_id is None:
        return config
    known = FileDeploymentBook(config.deployments_path).deployments(config.chain_id)
    if config.contract is not None:
        known = [entry for entry in known if entry.contract == config.contract]
    elif not known:
        raise DeploymentUnknown(
            f"chain.contract (CONTRACT_ADDRESS) is not set, and no deployment on chain {config.chain_id} is "
            "known here."
        )
    if not known:
        return config
    return replace(
        config, contract=known[-1].contract, contract_block=config.contract_block or known[-1].block
    )


def build_server(config: NodeConfig, node: Node) -> GrpcServer:
    return GrpcServer(
        node,
        GrpcOptions(
            host=config.grpc_host,
            port=config.grpc_port,
            tls_certificate=config.grpc_certificate,
            tls_key=config.grpc_key,
        ),
    )

"""Where a consumer's or deployer's command works: endpoint, chain, contract, folder, key.

What the options leave out comes from the settings, as it does for a node, so that a configured machine needs
few options. The key is the exception: a command that spends money is told which key to use.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from gpn_desktop import config as settings
from gpn_desktop import config_values as values
from gpn_desktop.adapters.keyring import KeyFileSecrets
from gpn_desktop.adapters.sqlite import SqliteNonceBook, SqliteStore
from gpn_desktop.adapters.system.deployments import FileDeploymentBook
from gpn_desktop.composition.keys import ask_passphrase
from gpn_desktop.composition.parts import find_chain, find_contract
from gpn_desktop.config import NodeConfig
from gpn_desktop.core.errors import BadOption, ConfigError, StoreCorrupt, StoreLocked, WrongChain
from gpn_desktop.core.types import Domain, Hash32, Wei
from gpn_desktop.ports.secrets import NodeKey

T = TypeVar("T")

_SETTINGS = {
    "ethereum_api": ("chain.api", values.list_of(values.url)),
    "contract_address": ("chain.contract", values.address),
    "chain_id": ("chain.id", values.integer(1, 2**63 - 1)),
    "data_dir": ("node.data_dir", values.path),
    "max_fee_gwei": ("chain.max_fee_gwei", values.gwei),
}


@dataclass(frozen=True, slots=True)
class Site:
    """A chain that answers. ``config`` has its id; and its contract, where one is needed."""

    config: NodeConfig
    chain_id: int

    @property
    def domain(self) -> Domain:
        assert self.config.contract is not None
        return Domain(self.chain_id, self.config.contract)

    @property
    def book(self) -> FileDeploymentBook:
        return FileDeploymentBook(self.config.deployments_path)


def option(name: str, parse: Callable[[Any], T], given: object) -> T:
    """An option's value; BadOption with the option's name when it can't be used. Never repeats the value."""
    try:
        return parse(given)
    except ValueError as error:
        raise BadOption(f"--{name.replace('_', '-')}: {error}.") from None


async def find_site(args: argparse.Namespace, contract: bool = True) -> Site:
    """Ask the first endpoint that answers which chain it is; with ``contract``, find that too.

    Raises:
        BadOption, ConfigError, DeploymentUnknown, ChainUnreachable, WrongChain
    """
    given = vars(args)
    chosen: dict[str, Any] = {}
    for name, (key, parse) in _SETTINGS.items():
        if given.get(name) is not None:
            option(name, parse, given[name])
            chosen[key] = given[name]
    config = settings.load(chosen, file=given.get("config"))
    if not config.ethereum_api:
        raise ConfigError("No chain is named.", remedy="Give --ethereum-api, or set ETHEREUM_API.")
    wanted = config.chain_id
    config = await find_chain(replace(config, chain_id=None))
    assert config.chain_id is not None
    if wanted is not None and config.chain_id != wanted:
        raise WrongChain(f"The endpoint serves chain {config.chain_id}, not {wanted}.")
    return Site(find_contract(config) if contract else config, config.chain_id)


def nonce_book(site: Site) -> SqliteNonceBook:
    """What the consumers of this machine signed, for all chains and contracts."""
    return SqliteNonceBook(site.config.consumers_path / "nonces.db")


@asynccontextmanager
async def open_journal(path: Path) -> AsyncIterator[SqliteStore]:
    """A key's journal of transactions, which one process at a time can have.

    Raises:
        StoreLocked, StoreCorrupt, StoreFull
    """
    store = SqliteStore(path)
    try:
        await store.open()
    except StoreLocked as error:
        error.remedy = "Wait until the other command with the same key is done."
        raise
    except StoreCorrupt as error:
        error.remedy = (
            "Restore it from a backup. If there is none, move it away, and look at the chain for what its "
            "commands have sent before you repeat one."
        )
        raise
    try:
        yield store
    finally:
        await store.aclose()


async def key_of(args: argparse.Namespace) -> NodeKey:
    """The key that --key-file names; asks for a passphrase if it has one."""
    return await KeyFileSecrets(args.key_file, ask_passphrase).load()


def image(text: object) -> tuple[str, Hash32]:
    """NAME@sha256:DIGEST; ValueError for any other form."""
    choice = values.consumer(text)
    if isinstance(choice, values.ImageChoice) and choice.digest is not None:
        return choice.name, choice.digest
    raise ValueError("an image is expected as NAME@sha256:DIGEST, with its 64 hex digits in lower case")


def gwei_amount(given: object) -> Wei:
    """ETH in decimals as wei; ValueError unless they are whole gwei, as the contract keeps them."""
    amount = eth_amount(given)
    if amount % 10**9:
        raise ValueError("the contract counts in whole gwei: give at most 9 decimals of ETH")
    return amount


def eth_amount(given: object) -> Wei:
    """ETH in decimals as wei, exactly; ValueError for what is no positive amount."""
    amount = Wei(values.eth(given))
    if not amount:
        raise ValueError("an amount above zero is expected")
    return amount

"""``gpn-desktop journal new``: a journal that is damaged beyond repair is set aside, and nothing deleted."""

from __future__ import annotations

import argparse
import asyncio

from gpn_desktop import config as settings
from gpn_desktop.adapters.sqlite import set_aside
from gpn_desktop.composition.asking import confirm, say
from gpn_desktop.composition.parts import find_chain, find_contract
from gpn_desktop.config import Mode, NodeConfig
from gpn_desktop.core.errors import BadOption

WARNING = (
    "The node will not know what it signed before: it takes part again with requests that are anchored "
    "later, and its history on this machine begins anew. Stake and rewards are on the contract and stay."
)


async def run_journal(args: argparse.Namespace) -> int:
    config = await _found(settings.load(settings.arguments(args), file=args.config))
    path = config.store_path(config.chain_id or 0)
    if not path.parent.is_dir():
        raise BadOption(f"No node has kept a journal in {path.parent}.")
    say(f"The journal {path} is set aside. {WARNING}")
    await confirm(args.yes, "This can't be taken back once the node has run.")
    for file in await asyncio.to_thread(set_aside, path):
        print(file, flush=True)
    return 0


async def _found(config: NodeConfig) -> NodeConfig:
    """Which network's journal is meant; the chain is asked only where the settings do not say."""
    if config.mode is Mode.TESTING or (config.chain_id is not None and config.contract is not None):
        return config
    return find_contract(await find_chain(config))

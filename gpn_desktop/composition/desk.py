"""What the window has without a node, made from the settings.

Only what shows before the first paint is made at once; the rest is imported when the window is in sight.
"""

from __future__ import annotations

import asyncio
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from gpn_desktop import config as settings
from gpn_desktop.adapters.files import replace_file
from gpn_desktop.composition import logs
from gpn_desktop.composition.preferences import make_preferences
from gpn_desktop.config import NodeConfig
from gpn_desktop.core.errors import ConfigError
from gpn_desktop.services.desk import Desk
from gpn_desktop.ui.opening import Start

if TYPE_CHECKING:
    from gpn_desktop.services.wallet import Wallet

KEYSTORE = "key.json"
NOTES = "wallet.json"
_SLOW = ("adapters.keyring", "composition.doctor", "services.joining", "services.wallet")


def window_start(file: Path | None, single: bool = True, report: bool = False) -> Start:
    """For the window on the operator's own node; ``single``: a second start raises this one."""
    from gpn_desktop.ui.single import instance_name

    config = _config(file)
    desk = Desk(preferences=make_preferences(file), save=replace_file, logs=logs.book())
    name = instance_name(str(config.data_dir)) if single else ""
    return Start(desk, name, partial(_furnish, file, config), report)


def _config(file: Path | None) -> NodeConfig:
    """In place of settings that can't be used the defaults: the start page tells what is wrong with them."""
    try:
        return settings.load(file=file)
    except ConfigError:
        return NodeConfig()


async def _furnish(file: Path | None, config: NodeConfig, desk: Desk) -> None:
    for module in _SLOW:
        await asyncio.to_thread(import_module, f"gpn_desktop.{module}")
    from gpn_desktop.composition.doctor import build_diagnostics, build_health
    from gpn_desktop.composition.probing import MachineProbes
    from gpn_desktop.services.joining import Joining

    assert desk.preferences is not None
    wallet = desk.wallet = _wallet(config)
    probes = MachineProbes()
    health = desk.health = build_health(file, partial(_backup, wallet), probes)
    desk.diagnostics = build_diagnostics(health, file)
    desk.joining = Joining(wallet, desk.preferences, health, probes.contract)


def _wallet(config: NodeConfig) -> Wallet:
    from gpn_desktop.adapters.keyring import KeyringSecrets, SystemKeyForms
    from gpn_desktop.adapters.system.clock import SystemClock
    from gpn_desktop.adapters.system.preferences import FileDocument
    from gpn_desktop.services.wallet import Wallet

    data = config.data_dir
    return Wallet(
        KeyringSecrets(config.key_name),
        SystemKeyForms(),
        data / KEYSTORE,
        FileDocument(data / NOTES),
        SystemClock(),
    )


def _backup(wallet: Wallet) -> tuple[bool, bool] | None:
    """Whether there is a key and a tested backup; None before anybody looked."""
    state = wallet.state
    if not state.keyring and state.address is None:
        return None
    return state.address is not None, state.backed_up

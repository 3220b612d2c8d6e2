"""The operator's settings for the window: file, table, and what the settings page can have done for it.

Light by itself: chain and cluster are imported when they are asked for.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from gpn_desktop import config as settings
from gpn_desktop.adapters.system.autostart import system_autostart
from gpn_desktop.adapters.system.preferences import FileDocument, TomlFile
from gpn_desktop.config_edit import ConfigTable
from gpn_desktop.core.errors import ChainUnreachable
from gpn_desktop.ports.preferences import EndpointFound
from gpn_desktop.resources import program
from gpn_desktop.services.preferences import Doors, Preferences

ENDPOINT_SECONDS: Final = 10.0
WINDOW_FILE: Final = "window.json"
# A documentation address (RFC 5737): connecting a datagram socket sends nothing, and tells our own address.
_ELSEWHERE: Final = ("192.0.2.1", 9)


def make_preferences(
    file: Path | None,
    cli: Mapping[str, Any] | None = None,
    restart: Callable[[], Awaitable[None]] | None = None,
) -> Preferences:
    """For the node of this settings file; ``cli`` as for ``config.load``, ``restart`` see ``Doors``."""
    path = settings_path(file)

    async def invite() -> str:
        return await asyncio.to_thread(_join_code, path, cli)

    autostart = system_autostart(program() if file is None else (*program(), "--config", str(path.resolve())))
    return Preferences(
        ConfigTable(path, cli),
        TomlFile(path),
        FileDocument(path.with_name(WINDOW_FILE)),
        Doors(check_endpoint, invite, restart, autostart),
    )


def settings_path(file: Path | None) -> Path:
    """The file that ``config.load`` reads, there or not."""
    named = os.environ.get("GPN_CONFIG")
    return file or (Path(named) if named else settings.default_file())


async def check_endpoint(url: str) -> EndpointFound:
    """Which chain an endpoint serves; ChainUnreachable."""
    await asyncio.to_thread(import_module, "gpn_desktop.adapters.chain.endpoints")
    from gpn_desktop.adapters.chain.endpoints import websocket_url
    from gpn_desktop.adapters.chain.rpc import Rpc, endpoint_name

    name = endpoint_name(url)
    try:
        async with asyncio.timeout(ENDPOINT_SECONDS):
            rpc = await Rpc.open(websocket_url(url), ENDPOINT_SECONDS)
            try:
                chain_id = await rpc.chain_id()
                header = await rpc.header(None)
            finally:
                await rpc.aclose()
    except TimeoutError:
        raise ChainUnreachable(f"{name} did not answer within {ENDPOINT_SECONDS:.0f} s.") from None
    return EndpointFound(chain_id, header.number if header is not None else 0)


def _join_code(path: Path, cli: Mapping[str, Any] | None) -> str:
    from gpn_desktop.composition.cluster import EVERYWHERE, join_code

    config = settings.load(cli, file=path if path.exists() else None)
    everywhere = config.cluster_listen is not None and config.cluster_listen[0] in EVERYWHERE
    return str(join_code(config, _own_address() if everywhere else None))


def _own_address() -> str | None:
    """Under which other machines of the same network reach this one; None without a network."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(_ELSEWHERE)
            return str(probe.getsockname()[0])
        except OSError:
            return None

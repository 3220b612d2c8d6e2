"""The desk of a machine on which nobody has set anything up: real services over a test's own folder."""

from __future__ import annotations

from pathlib import Path

from gpn_desktop.adapters.system.preferences import FileDocument, TomlFile
from gpn_desktop.config_edit import ConfigTable
from gpn_desktop.core.errors import ChainUnreachable
from gpn_desktop.core.health import Finding, Level
from gpn_desktop.core.types import Address
from gpn_desktop.ports.preferences import EndpointFound
from gpn_desktop.services.desk import Desk
from gpn_desktop.services.facade import Facade
from gpn_desktop.services.health import Check, Health
from gpn_desktop.services.joining import Joining
from gpn_desktop.services.preferences import Doors, Preferences
from tests.unit.services.test_wallet import Backend, wallet_in

ENDPOINT = "wss://one.example/v1/key"
CONTRACT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


async def ask(url: str) -> EndpointFound:
    if url != ENDPOINT:
        raise ChainUnreachable("Nobody answers there.")
    return EndpointFound(17_000, 1_234_567)


async def there(url: str, chain_id: int, contract: Address) -> bool:
    return contract == Address(bytes.fromhex(CONTRACT[2:]))


async def short_of_disk(_: Facade | None) -> Finding:
    return Finding("disk", "Disk", Level.BAD, "1 GB free", "Images find no room.", "Free some space.")


def joining_desk(folder: Path, backend: Backend | None = None) -> Desk:
    wallet = wallet_in(folder, backend or Backend())
    path = folder / "config.toml"
    preferences = Preferences(
        ConfigTable(path, {}, {}), TomlFile(path), FileDocument(folder / "window.json"), Doors(ask)
    )
    health = Health((Check("disk", "Disk", short_of_disk),))
    joining = Joining(wallet, preferences, health, there)
    return Desk(wallet=wallet, preferences=preferences, health=health, joining=joining)

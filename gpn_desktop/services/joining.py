"""The way from nothing to a node on a network: a key, its backup, which network, the checks, the start.

Nothing of it is remembered: how far one is follows from what is there, so that the way can be left at any
point and taken up again, also by whoever has done half of it on the command line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gpn_desktop.core.errors import BadOption, ContractMissing
from gpn_desktop.core.health import Level, worst
from gpn_desktop.core.types import Address, hex0x
from gpn_desktop.ports.preferences import EndpointFound
from gpn_desktop.services.health import Health
from gpn_desktop.services.preferences import Preferences
from gpn_desktop.services.wallet import Wallet, WalletState

CheckContract = Callable[[str, int, Address], Awaitable[bool]]
ENDPOINTS, CHAIN, CONTRACT = "chain.api", "chain.id", "chain.contract"


@dataclass(frozen=True, slots=True)
class Way:
    """How far it is done.

    Attributes:
        endpoint, chain_id, contract: as the settings have them, "" where they don't.
        problem: why the settings can't be used.
        checked: how the worst of the machine's checks came out, None before there was one.
    """

    wallet: WalletState
    endpoint: str = ""
    chain_id: str = ""
    contract: str = ""
    problem: str = ""
    checked: Level | None = None

    @property
    def has_key(self) -> bool:
        return self.wallet.address is not None and not self.wallet.locked

    @property
    def has_network(self) -> bool:
        """A contract that was deployed from this machine is found by the node itself, by the chain's id."""
        return bool(self.endpoint and (self.contract or self.chain_id)) and not self.problem

    @property
    def may_start(self) -> bool:
        return self.has_key and self.has_network

    @property
    def begun(self) -> bool:
        return self.wallet.address is not None or bool(self.endpoint)


@dataclass(frozen=True)
class Joining:
    """``check_contract`` tells whether a contract at an endpoint of this chain is the settlement contract."""

    wallet: Wallet
    preferences: Preferences
    health: Health
    check_contract: CheckContract

    async def look(self) -> Way:
        """Raises nothing: what can't be read is said in ``problem``, or in the wallet's state."""
        wallet = await self.wallet.look()
        view = await self.preferences.read()
        checked = worst(self.health.in_order()) if self.health.findings else None
        if view.error is not None:
            return Way(wallet, problem=str(view.error), checked=checked)
        values = {row.key: row.value for row in view.rows}
        return Way(
            wallet,
            values[ENDPOINTS].partition(",")[0].strip(),
            values[CHAIN],
            values[CONTRACT],
            " ".join(view.problems),
            checked,
        )

    async def choose_network(self, endpoint: str, contract: str) -> EndpointFound:
        """Ask the endpoint which chain it serves, look for the contract there, and write both down.

        Raises:
            ChainUnreachable: nobody answers as a chain does.
            AddressWrong: ``contract`` is no address.
            ContractMissing: there is another contract, or none.
            SettingsRefused, SettingsUnreadable, SettingsNotWritten: nothing was changed.
        """
        from gpn_desktop.services.account import read_address

        ask = self.preferences.doors.check_endpoint
        if ask is None:
            raise BadOption("No endpoint can be asked from here.")
        endpoint = endpoint.strip()
        if not endpoint:
            raise BadOption("No endpoint was given.", remedy="It begins with ws:// or wss://.")
        if problem := self.preferences.problem_of(ENDPOINTS, endpoint):
            raise BadOption(
                f"The endpoint cannot be used: {problem}.", remedy="It begins with ws:// or wss://."
            )
        # Whether it is the right one is asked of the chain itself, which is a better check than capitals.
        address = read_address(contract, unchecked=True)
        found = await ask(endpoint)
        if not await self.check_contract(endpoint, found.chain_id, address):
            raise ContractMissing(
                f"At {hex0x(address)} on chain {found.chain_id} there is no settlement contract of this kind."
            )
        await self.preferences.apply(
            {ENDPOINTS: endpoint, CHAIN: str(found.chain_id), CONTRACT: hex0x(address)}
        )
        return found

"""Deploying the settlement contract: one transaction, journalled like every other before it is sent.

A deployment has no contract to follow, so this is a chain without one: a writer, the heads that drive it, and
nothing else. Where the contract will stand follows from the sender and the nonce in the journal, so whoever
comes back after a crash knows where to look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from gpn_desktop.adapters.chain import bindings, codec
from gpn_desktop.adapters.chain.artifact import Artifact
from gpn_desktop.adapters.chain.endpoints import websocket_url
from gpn_desktop.adapters.chain.quotes import quote
from gpn_desktop.adapters.chain.rpc import Refused, Rpc
from gpn_desktop.adapters.chain.signing import contract_address
from gpn_desktop.adapters.chain.writer import Payload, Policy, Writer
from gpn_desktop.core.errors import (
    ChainUnreachable,
    ContractMissing,
    GpnError,
    WrongChain,
)
from gpn_desktop.core.types import Address
from gpn_desktop.ports.chain import ContractParams, TxJournal, TxRecord
from gpn_desktop.ports.deployment import Deployment, Quote
from gpn_desktop.ports.secrets import NodeKey

log = logging.getLogger(__name__)

REQUEST_SECONDS = 15.0


class Deployer:
    """One key on one chain. Between ``start`` and ``aclose`` it follows the heads of the first endpoint."""

    def __init__(
        self,
        urls: Sequence[str],
        chain_id: int,
        key: NodeKey,
        journal: TxJournal,
        artifact: Artifact,
        policy: Policy,
    ) -> None:
        self._url = websocket_url(urls[0])
        self._chain_id = chain_id
        self._key = key
        self._artifact = artifact
        self._policy = policy
        self._writer = Writer(key, chain_id, None, journal, policy, bindings.decode_error)
        self._rpc: Rpc | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, and send again what an earlier run may have left unsent.

        Raises:
            ChainUnreachable, WrongChain
        """
        rpc = self._rpc = await Rpc.open(self._url, REQUEST_SECONDS)
        chain_id = await rpc.chain_id()
        if chain_id != self._chain_id:
            raise WrongChain(f"The endpoint serves chain {chain_id}, not {self._chain_id}.")
        try:
            await rpc.subscribe_heads()
            await self._writer.connected(rpc)
        except Refused as error:
            raise ChainUnreachable(f"The chain node refuses to answer: {error.message}.") from error
        self._task = asyncio.create_task(self._follow(rpc), name="deployer")
        self._task.add_done_callback(self._ended)

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._rpc is not None:
            await self._rpc.aclose()

    async def _follow(self, rpc: Rpc) -> None:
        """Until the connection is lost, and whoever waits for a receipt is told."""
        try:
            while True:
                await self._writer.look(rpc, await rpc.next_head())
        except Refused as error:
            self._writer.disconnected(ChainUnreachable(f"The chain node refuses: {error.message}."))
        except GpnError as error:
            self._writer.disconnected(error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing but a fault of this program ends the task unasked; whoever waits has to hear of it."""
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            log.error("the chain is no longer followed", exc_info=fault)
            self._writer.disconnected(ChainUnreachable("The chain is no longer followed."))

    def _connected(self) -> Rpc:
        if self._rpc is None:
            raise ChainUnreachable("The chain is not started.")
        return self._rpc

    async def quote(self, terms: ContractParams) -> Quote:
        """What a deployment costs now, and what the account has.

        Raises:
            TransactionFailed: the contract refuses these terms.
            FeesTooHigh, ChainUnreachable
        """
        code = self._artifact.creation_code(terms)
        return await quote(self._connected(), self._key.address, None, 0, code, self._policy.fees)

    async def deploy(self, intent: str, terms: ContractParams) -> Deployment:
        """Deploy, or see to the end what an earlier run began under the same intent.

        Raises:
            TransactionFailed, InsufficientFunds, FeesTooHigh, ChainUnreachable
            ContractMissing: the transaction is mined, and its code is not there.
        """
        payload = Payload(0, self._artifact.creation_code(terms))
        try:
            record = await self._writer.submit(intent, payload)
            return await self._found(record)
        except Refused as error:
            raise ChainUnreachable(f"The chain node refuses to answer: {error.message}.") from error

    async def _found(self, record: TxRecord) -> Deployment:
        contract = expected_address(self._key.address, record)
        rpc = self._connected()
        if not await rpc.code(contract):
            raise ContractMissing("The deployment is mined, and there is no code at its address.")
        params = bindings.decode_params(await rpc.call(contract, bindings.params()))
        return Deployment(
            chain_id=self._chain_id,
            contract=contract,
            block=record.block,
            tx=record.hash,
            deployer=self._key.address,
            params=codec.params(params),
            source_hash=self._artifact.source_hash,
            compiler=self._artifact.compiler,
        )


def expected_address(deployer: Address, record: TxRecord) -> Address:
    """Where a journalled deployment puts its contract."""
    return contract_address(deployer, record.nonce)

"""Looking at a deployed settlement contract from outside: is it what this program knows, and what is in it?

The code is compared with the artifact's but for its immutables. Those are compared too, with what the chain
itself computes for a deployment on the same terms, so that no share, no delay and no delegate in the code can
be another one than the contract tells. The second contract, whose code the first one runs, counts like it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from eth_abi.exceptions import DecodingError

from gpn_desktop.adapters.chain import bindings, codec
from gpn_desktop.adapters.chain.artifact import REGISTRY, SETTLEMENT, Artifact, Runtime
from gpn_desktop.adapters.chain.rpc import Refused, Rpc
from gpn_desktop.adapters.chain.signing import contract_address
from gpn_desktop.core.eip712 import domain_separator
from gpn_desktop.core.errors import ChainUnreachable, ContractMissing
from gpn_desktop.core.types import Address, Domain, Gwei, Hash32, Wei, short
from gpn_desktop.ports.chain import ContractParams
from gpn_desktop.ports.deployment import CodeCheck, ContractState

PAGE: Final = 100
FIRST_NONCE: Final = 1  # a contract's own transactions count from 1: its constructor creates the registry
NOBODY: Final = Address(b"\x11" * 20)

T = TypeVar("T")


class Inspector:
    """One contract through one connection. ChainUnreachable when the chain node does not answer."""

    def __init__(self, rpc: Rpc, domain: Domain) -> None:
        self._rpc = rpc
        self._domain = domain
        self._contract = domain.contract

    async def state(self) -> ContractState:
        """What it was made with and what it holds.

        Raises:
            ContractMissing: there is nothing, or something that does not answer like the contract.
        """
        params = await self._params()
        consumers, deposited = await self._consumers()
        provers, staked = await self._provers()
        return ContractState(
            params=params,
            registry=await self._registry(),
            balance=await self._rpc.balance(self._contract),
            burned=Gwei(await self._read(bindings.burned(), bindings.decode_burned)),
            consumers=consumers,
            provers=provers,
            staked=staked,
            deposited=deposited,
        )

    async def block_of(self, tx: Hash32) -> int:
        """The block that has the transaction; 0 if the chain node knows of none."""
        receipt = await self._rpc.receipt(tx)
        return 0 if receipt is None else receipt.block_number

    async def check(self, artifact: Artifact) -> list[CodeCheck]:
        """Compare both contracts' codes with the artifact's."""
        registry = contract_address(self._contract, FIRST_NONCE)
        main = await self._rpc.code(self._contract)
        if not main:
            raise ContractMissing(self._nothing())
        other = await self._rpc.code(registry)
        mine = (bytes(12) + registry, domain_separator(self._domain))
        return [
            await self._check(artifact, SETTLEMENT, self._contract, main, mine),
            await self._check(artifact, REGISTRY, registry, other, (bytes(12) + registry,)),
        ]

    async def _check(
        self, artifact: Artifact, name: str, address: Address, code: bytes, own: tuple[bytes, ...]
    ) -> CodeCheck:
        runtime = artifact.runtime[name]
        differs_at = runtime.differs_at(code)
        follow = None if differs_at is not None else await self._settings_follow(artifact, name, code, own)
        masked = sum(length for _, length in runtime.immutables)
        return CodeCheck(name, address, len(code), masked, differs_at, follow)

    async def _settings_follow(
        self, artifact: Artifact, name: str, code: bytes, own: tuple[bytes, ...]
    ) -> bool | None:
        """Whether the immutables are those of a deployment on the contract's terms, at its own address."""
        try:
            params = await self._params()
            probe = probing_code(artifact.creation_code(params), name == REGISTRY)
            computed = await self._rpc.replay(NOBODY, None, 0, probe, None)
        except (Refused, ContractMissing):
            return None
        if artifact.runtime[name].differs_at(computed) is not None:
            return None
        return same_settings(artifact.runtime[name], code, computed, own)

    async def _params(self) -> ContractParams:
        return codec.params(await self._read(bindings.params(), bindings.decode_params))

    async def _registry(self) -> Address:
        return await self._read(bindings.registry(), bindings.decode_registry)

    async def _consumers(self) -> tuple[int, Gwei]:
        count = deposited = 0
        while True:
            page = await self._read(bindings.get_consumers(count, PAGE), bindings.decode_get_consumers)
            count += len(page)
            deposited += sum(view.balance_gwei for view in page)
            if len(page) < PAGE:
                return count, Gwei(deposited)

    async def _provers(self) -> tuple[int, Wei]:
        count = staked = 0
        while True:
            page = await self._read(bindings.get_provers(count, PAGE), bindings.decode_get_provers)
            count += len(page)
            staked += sum(view.stake for view in page)
            if len(page) < PAGE:
                return count, Wei(staked)

    async def _read(self, data: bytes, decode: Callable[[bytes], T]) -> T:
        try:
            return decode(await self._rpc.call(self._contract, data))
        except Refused as error:
            if error.data or "revert" in error.message.lower():
                raise ContractMissing(self._another()) from error
            raise ChainUnreachable(f"The chain node refuses to answer: {error.message}.") from error
        except (DecodingError, ValueError) as error:
            empty = not await self._rpc.code(self._contract)
            raise ContractMissing(self._nothing() if empty else self._another()) from error

    def _nothing(self) -> str:
        return f"There is no contract at {short(self._contract)} on chain {self._domain.chain_id}."

    def _another(self) -> str:
        return f"What stands at {short(self._contract)} on chain {self._domain.chain_id} is another contract."


def same_settings(runtime: Runtime, code: bytes, computed: bytes, own: tuple[bytes, ...]) -> bool:
    """Whether two codes' immutables are the same, but for what follows from a contract's address.

    ``own``: the values of that kind that the first code may have. Where it has one, the other has its
    counterpart, always the same one.
    """
    counterparts: dict[bytes, bytes] = {}
    for mine, other in zip(runtime.words(code), runtime.words(computed), strict=True):
        if mine in own:
            if counterparts.setdefault(mine, other) != other:
                return False
        elif mine != other:
            return False
    return len(set(counterparts.values())) == len(counterparts)


def probing_code(creation: bytes, registry: bool) -> bytes:
    """A creation code that deploys the contract and returns its code, or its registry's, as if its own.

    Run by eth_call: nothing is created, and the chain node computes what a real deployment would contain.
    """
    size = len(creation).to_bytes(3, "big").hex()
    ask = "63" + bindings.registry()[:4].hex() + "60e01b600052"  # mem[0:4] = selector of registry()
    ask += "6020600060046000845afa5050600051"  # staticcall(gas, contract, 0, 4, 0, 32); mem[0:32]
    take = "803b8060006000843c6000f3"  # extcodecopy(it, 0, 0, extcodesize(it)); return it
    tail = bytes.fromhex((ask if registry else "") + take)
    head = 4 + 3 + 2 + 1 + 4 + 2 + 2 + 1  # push3, push2, push1, codecopy; push3, push1, push1, create
    at = (head + len(tail)).to_bytes(2, "big").hex()
    create = bytes.fromhex(f"62{size}61{at}60003962{size}60006000f0")
    return create + tail + creation

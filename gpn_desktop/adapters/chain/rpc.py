"""The few questions this node asks a chain node, in domain types, over one WebSocket connection.

A chain node is somebody else's computer: whatever it answers is read strictly, and an answer of the wrong
shape counts as no answer. The calls that may be refused for a reason worth reading raise ``Refused``;
everything else that goes wrong is ``ChainUnreachable``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, Final, Literal, ParamSpec, Self, TypeVar
from urllib.parse import urlsplit

from eth_utils.address import to_checksum_address
from web3 import AsyncWeb3
from web3.exceptions import (
    BlockNotFound,
    ContractLogicError,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)
from web3.types import FilterParams, TxParams
from websockets.exceptions import WebSocketException

from gpn_desktop.adapters.chain.provider import WakingWebSocketProvider
from gpn_desktop.core.errors import ChainUnreachable
from gpn_desktop.core.types import ZERO_HASH, Address, Hash32, Wei, hex0x
from gpn_desktop.ports.chain import Block

P = ParamSpec("P")
T = TypeVar("T")

_MALFORMED: Final = (KeyError, ValueError, TypeError, AttributeError, IndexError)


class Refused(Exception):
    """The chain node understood and refused. ``data`` holds what the contract reverted with, if it ran."""

    def __init__(self, message: str, data: bytes = b"") -> None:
        super().__init__(message)
        self.message = message
        self.data = data


@dataclass(frozen=True, slots=True)
class Header:
    """A block's header, as far as it matters here. ``base_fee`` in wei per gas."""

    number: int
    hash: Hash32
    parent: Hash32
    time: int
    base_fee: int

    @property
    def block(self) -> Block:
        return Block(self.number, self.hash, self.time)


@dataclass(frozen=True, slots=True)
class Log:
    """One log of the contract. ``block_hash`` says on which branch, ``tx`` in which transaction."""

    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: Hash32
    index: int
    tx: Hash32 = ZERO_HASH


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a mined transaction. ``fee`` in wei."""

    block_number: int
    block_hash: Hash32
    succeeded: bool
    gas_used: int
    fee: int


def _guarded(
    method: Callable[Concatenate[Rpc, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Rpc, P], Coroutine[Any, Any, T]]:
    @wraps(method)
    async def guarded(rpc: Rpc, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(rpc, *args, **kwargs)
        except ContractLogicError as error:
            raise Refused(error.message or "execution reverted", _revert_data(error.data)) from error
        except Web3RPCError as error:
            raise Refused(_rpc_message(error)) from error
        except (Web3Exception, WebSocketException, OSError, TimeoutError) as error:
            rpc.give_up()
            raise ChainUnreachable(f"The chain node does not answer: {error}") from error
        except _MALFORMED as error:
            rpc.give_up()
            raise ChainUnreachable(f"The chain node sent a malformed answer ({error!r}).") from error

    return guarded


def _revert_data(data: object) -> bytes:
    if isinstance(data, Mapping):
        data = data.get("data")
    if not isinstance(data, str):
        return b""
    with suppress(ValueError):
        return bytes.fromhex(data.removeprefix("0x"))
    return b""


def _rpc_message(error: Web3RPCError) -> str:
    body = error.rpc_response.get("error") if error.rpc_response else None
    if isinstance(body, Mapping) and isinstance(body.get("message"), str):
        return str(body["message"])
    return str(body or error.message or error)


def _hash(value: bytes) -> Hash32:
    raw = bytes(value)
    if len(raw) != 32:
        raise ValueError(f"a hash of {len(raw)} bytes")
    return Hash32(raw)


def _header(raw: Mapping[str, Any]) -> Header:
    return Header(
        number=int(raw["number"]),
        hash=_hash(raw["hash"]),
        parent=_hash(raw["parentHash"]),
        time=int(raw["timestamp"]),
        base_fee=int(raw.get("baseFeePerGas") or 0),
    )


def _pushed_header(raw: Mapping[str, str]) -> Header:
    return Header(
        number=int(raw["number"], 16),
        hash=_hash(bytes.fromhex(raw["hash"][2:])),
        parent=_hash(bytes.fromhex(raw["parentHash"][2:])),
        time=int(raw["timestamp"], 16),
        base_fee=int(raw.get("baseFeePerGas") or "0x0", 16),
    )


def _log(raw: Mapping[str, Any]) -> Log:
    return Log(
        topics=tuple(bytes(topic) for topic in raw["topics"]),
        data=bytes(raw["data"]),
        block_number=int(raw["blockNumber"]),
        block_hash=_hash(raw["blockHash"]),
        index=int(raw["logIndex"]),
        tx=_hash(raw["transactionHash"]),
    )


def endpoint_name(url: str) -> str:
    """An endpoint for people and logs: its host, since the rest of the URL may carry an access key."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host:
        return "an endpoint without a host"
    return host if port is None else f"{host}:{port}"


class Rpc:
    """One connection. After ``ChainUnreachable`` it is given up, since nobody knows what got through."""

    def __init__(self, provider: WakingWebSocketProvider) -> None:
        self._provider = provider
        self._w3: AsyncWeb3[WakingWebSocketProvider] = AsyncWeb3(provider, middleware=[])
        self._eth = self._w3.eth

    @classmethod
    async def open(cls, url: str, request_timeout: float) -> Self:
        """Connect; every request after that has ``request_timeout`` seconds.

        Raises:
            ChainUnreachable
        """
        name = endpoint_name(url)
        try:
            provider = WakingWebSocketProvider(url, request_timeout)
            await provider.connect()
        except (Web3Exception, WebSocketException, OSError, TimeoutError, ValueError) as error:
            reason = str(error.__cause__ or error).replace(url, name)
            raise ChainUnreachable(f"No chain node answers at {name}: {reason}") from error
        return cls(provider)

    def give_up(self) -> None:
        """Fail whatever is under way, so that the connection's owner replaces it."""
        self._provider.abandon()

    async def aclose(self) -> None:
        with suppress(Web3Exception, WebSocketException, OSError):
            await self._provider.disconnect()

    @_guarded
    async def ask(self, method: str, *params: object) -> object:
        """A method that web3 has no name for, such as the local chain's own."""
        return await self._w3.manager.coro_request(method, list(params))  # type: ignore[arg-type]  # any name

    @_guarded
    async def chain_id(self) -> int:
        return int(await self._eth.chain_id)

    @_guarded
    async def code(self, account: Address) -> bytes:
        return bytes(await self._eth.get_code(to_checksum_address(account)))

    @_guarded
    async def balance(self, account: Address) -> Wei:
        return Wei(int(await self._eth.get_balance(to_checksum_address(account))))

    @_guarded
    async def nonce(self, account: Address, mined_only: bool = False) -> int:
        """The next nonce; unless ``mined_only``, those are counted that wait to be mined."""
        state: Literal["latest", "pending"] = "latest" if mined_only else "pending"
        return int(await self._eth.get_transaction_count(to_checksum_address(account), state))

    @_guarded
    async def call(self, to: Address, data: bytes, at_block: int | None = None) -> bytes:
        """Raises Refused when the contract reverts."""
        call: TxParams = {"to": to_checksum_address(to), "data": hex0x(data)}  # type: ignore[typeddict-item]
        return bytes(await self._eth.call(call, "latest" if at_block is None else at_block))

    @_guarded
    async def replay(
        self, sender: Address, to: Address | None, value: int, data: bytes, at_block: int | None
    ) -> bytes:
        """Run a transaction's call (or a deployment) upon a block's state; Refused when it reverts there."""
        call: TxParams = {
            "from": to_checksum_address(sender),
            "value": Wei(value),  # type: ignore[typeddict-item]  # web3 has a Wei of its own
            "data": hex0x(data),  # type: ignore[typeddict-item]
        }
        if to is not None:
            call["to"] = to_checksum_address(to)
        return bytes(await self._eth.call(call, "latest" if at_block is None else at_block))

    @_guarded
    async def estimate(self, sender: Address, to: Address | None, value: int, data: bytes) -> int:
        """The gas that a call (or a deployment) would use now; Refused when it would revert."""
        call: TxParams = {
            "from": to_checksum_address(sender),
            "value": Wei(value),  # type: ignore[typeddict-item]  # web3 has a Wei of its own
            "data": hex0x(data),  # type: ignore[typeddict-item]
        }
        if to is not None:
            call["to"] = to_checksum_address(to)
        return int(await self._eth.estimate_gas(call))

    @_guarded
    async def priority_fee(self) -> int:
        """What the chain node suggests as a tip, in wei per gas."""
        return int(await self._eth.max_priority_fee)

    @_guarded
    async def send(self, raw: bytes) -> None:
        """Raises Refused when the chain node does not take the transaction."""
        await self._eth.send_raw_transaction(raw)

    @_guarded
    async def knows(self, tx_hash: Hash32) -> bool:
        """Whether the chain node has the transaction, mined or waiting."""
        try:
            await self._eth.get_transaction(hex0x(tx_hash))  # type: ignore[arg-type]
        except TransactionNotFound:
            return False
        return True

    @_guarded
    async def receipt(self, tx_hash: Hash32) -> Receipt | None:
        try:
            raw = await self._eth.get_transaction_receipt(hex0x(tx_hash))  # type: ignore[arg-type]
        except TransactionNotFound:
            return None
        return Receipt(
            block_number=int(raw["blockNumber"]),
            block_hash=_hash(raw["blockHash"]),
            succeeded=int(raw["status"]) == 1,
            gas_used=int(raw["gasUsed"]),
            fee=int(raw["gasUsed"]) * int(raw["effectiveGasPrice"]),
        )

    @_guarded
    async def header(self, number: int | None = None) -> Header | None:
        """The header at a height, None beyond the head; the head's if no height is given."""
        try:
            raw = await self._eth.get_block("latest" if number is None else number)
        except BlockNotFound:
            return None
        return _header(raw)

    @_guarded
    async def logs(
        self,
        contract: Address,
        first: int,
        last: int,
        topics: Iterable[bytes | None] = (),
    ) -> list[Log]:
        """The contract's logs of a range of blocks, in chain order."""
        wanted: FilterParams = {
            "address": to_checksum_address(contract),
            "fromBlock": first,
            "toBlock": last,
            "topics": [None if topic is None else hex0x(topic) for topic in topics],
        }
        found = [_log(raw) for raw in await self._eth.get_logs(wanted)]
        return sorted(found, key=lambda log: (log.block_number, log.index))

    @_guarded
    async def logs_of(self, contract: Address, block: Hash32) -> list[Log]:
        """The contract's logs of one block, named by its hash, so that no other branch can answer."""
        wanted: FilterParams = {"address": to_checksum_address(contract), "blockHash": block}  # type: ignore[typeddict-item]
        return sorted((_log(raw) for raw in await self._eth.get_logs(wanted)), key=lambda log: log.index)

    async def subscribe_heads(self) -> None:
        await self.ask("eth_subscribe", "newHeads")

    @_guarded
    async def next_head(self) -> Header:
        """The newest head pushed since the last call; waits for one."""
        return _pushed_header(await self._provider.next_push())

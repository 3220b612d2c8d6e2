"""The settlement contract on an EVM in this process, with its own clock, called by the bindings alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest

from gpn_desktop.adapters.chain import bindings as gpn
from gpn_desktop.core.eip712 import address_of_secret
from gpn_desktop.core.types import Address, Domain, hex0x, parse_address
from tests.contract.evmnode import ARTIFACT, CHAIN_ID

START: Final = 1_700_000_000
ETHER: Final = 10**18
GWEI: Final = 10**9
RICH: Final = 10**32
DEPLOYER: Final = Address(b"\xde" * 20)
_REVERT: Final = re.compile(r"Revert \{ gas_used: \d+, output: 0x([0-9a-f]*) \}")


def need_pyrevm() -> Any:
    """The module; where it has no wheels the test is skipped, and fails if all engines are required."""
    try:
        import pyrevm
    except ImportError:
        if os.environ.get("GPN_REQUIRE_ENGINES") == "1":
            pytest.fail("pyrevm is not installed")
        pytest.skip("pyrevm is not installed: it has no wheels for this platform")
    return pyrevm


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a call: the reason's name if it was refused, else the events."""

    refusal: str
    events: tuple[gpn.Event, ...] = ()


class Machine:
    """A chain with the contract alone on it."""

    def __init__(self, params: gpn.Params) -> None:
        self._revm = revm = need_pyrevm()
        self.now = START
        env = revm.Env(cfg=revm.CfgEnv(chain_id=CHAIN_ID), block=self._block())
        self._evm = revm.EVM(env=env, gas_limit=2**40, spec_id="CANCUN")
        self._evm.set_balance(hex0x(DEPLOYER), RICH)
        self.params = params
        made = self._evm.deploy(hex0x(DEPLOYER), gpn.creation_code(ARTIFACT) + gpn.constructor_args(params))
        self.address = parse_address(made)
        self.domain = Domain(CHAIN_ID, self.address)

    def _block(self) -> Any:
        return self._revm.BlockEnv(number=1, timestamp=self.now)

    def at(self, time: int) -> None:
        """Every block from now on is of this time."""
        self.now = time
        self._evm.set_block_env(self._block())

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Whatever happens inside has not happened."""
        mark, now = self._evm.snapshot(), self.now
        try:
            yield
        finally:
            self._evm.revert(mark)
            self.at(now)

    def fund(self, account: bytes, amount: int = RICH) -> None:
        self._evm.set_balance(hex0x(account), amount)

    def balance(self, account: bytes) -> int:
        return int(self._evm.get_balance(hex0x(account)))

    def view(self, data: bytes) -> bytes:
        return bytes(self._evm.message_call(hex0x(DEPLOYER), hex0x(self.address), data, is_static=True))

    def call(self, sender: bytes, data: bytes, value: int = 0) -> Result:
        """Carry out an account's call; what the contract refuses changes nothing."""
        try:
            self._evm.message_call(hex0x(sender), hex0x(self.address), data, value)
        except RuntimeError as error:
            found = _REVERT.fullmatch(str(error))
            if found is None:
                raise
            return Result(gpn.decode_error(bytes.fromhex(found.group(1))) or "0x")
        events = []
        for log in self._evm.result.logs:
            topics, data = log.data
            event = gpn.decode_log(topics, data)
            assert event is not None, "an event that the bindings do not know"
            events.append(event)
        return Result("", tuple(events))

    def done(self, secret: bytes, data: bytes, value: int = 0) -> tuple[gpn.Event, ...]:
        """The events of a call that must be done."""
        result = self.call(address_of_secret(secret), data, value)
        assert not result.refusal, result.refusal
        return result.events

"""The settlement contract's rules in memory: one shared ledger for several nodes, without gas and signatures
of transactions, with a clock that can be moved.

It exists so that services can be tested in milliseconds. It follows contracts/src in what it accepts and in
every gwei it pays, in modules cut as the contract is; the contract tests of the port hold both to that.
"""

from __future__ import annotations

from gpn_desktop.adapters.chain.ledger_faults import Faults
from gpn_desktop.adapters.chain.ledger_settling import Settling
from gpn_desktop.core.types import Address
from gpn_desktop.ports.calls import Call, ConsumerCall, OperatorCall, SettlementCall, Transfer
from gpn_desktop.ports.chain import Block, ChainEvent


class Rules(Faults, Settling):
    """The contract. ``apply`` either does all of a call or raises Revert and does nothing."""

    __slots__ = ()

    def apply(self, sender: Address, call: Call, block: Block) -> list[ChainEvent]:
        """Carry out a call in a block. Raises Revert."""
        if isinstance(call, ConsumerCall):
            return self.consumer_call(sender, call, block)
        if isinstance(call, OperatorCall):
            return self.operator_call(sender, call, block)
        if isinstance(call, Transfer):
            self.balances[sender] = self.balances.get(sender, 0) - call.amount
            self.send(call.to, call.amount)
            return []
        if isinstance(call, SettlementCall):
            return self.settlement_call(sender, call, block)
        return self.fault_call(sender, call, block)

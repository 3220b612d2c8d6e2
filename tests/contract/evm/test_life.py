"""Whole lives of a deployment: what the ledger in memory says of every call, the contract's code says too.

The calls are those of the walk on a real chain, here with hypothesis at the wheel: it finds the shortest life
in which the two differ, in a reason or in what anybody has.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from types import SimpleNamespace
from typing import Final, cast

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gpn_desktop.adapters.chain import bindings as gpn
from gpn_desktop.adapters.chain import codec
from gpn_desktop.adapters.chain.calldata import encode
from gpn_desktop.adapters.chain.ledger import Rules
from gpn_desktop.adapters.chain.ledger_state import Revert, State
from gpn_desktop.adapters.chain.slots import own_slot, slot_key
from gpn_desktop.core.eip712 import address_of_secret
from gpn_desktop.core.types import ZERO_HASH, Address, Hash32, Role, Snapshot, Wei
from gpn_desktop.ports import calls
from gpn_desktop.ports.calls import Call
from gpn_desktop.ports.chain import Block
from gpn_desktop.ports.secrets import NodeKey
from tests.contract.chain.committee import payout_of
from tests.contract.chain.harness import AnvilHarness
from tests.contract.chain.moves import MOVES
from tests.contract.chain.walk import CONSUMERS, ETHER, GWEI, IMAGES, OPERATORS, Party, Walk
from tests.contract.evm.machine import START, Machine

HOUR: Final = 3600
MONTH: Final = 30 * 24 * HOUR
RICH: Final = 10**24
LATER: Final = (1, 37, 290, 525, 600, 650, 650, 650, HOUR, 4000, 3 * HOUR + 601, 3 * HOUR + 601)
TERMS: Final = gpn.Params(
    window=600,
    settle_grace=HOUR,
    max_lifetime=HOUR,
    unbond=600 + 3 * HOUR,
    settle_delay=60,
    min_stake=ETHER // 2,
    min_reward_gwei=1000,
    tip_gwei=600,
    prover_bps=6000,
    inclusion_bps=2000,
    verifier_bps=2000,
)


@dataclass(frozen=True, slots=True)
class Account:
    key: NodeKey

    @property
    def address(self) -> Address:
        return self.key.address


class Twins(Walk):
    """The walk's statements, with the rules in memory and the code in process in place of two chains."""

    def __init__(self) -> None:
        self.machine = Machine(TERMS)
        self.anvil = cast(AnvilHarness, SimpleNamespace(domain=self.machine.domain))
        self.rules = Rules(self.machine.domain, codec.params(TERMS))
        self.clock = START
        self.entries = []
        self.steps = []
        self.parties = [cast(Party, self._account(number)) for number in range(CONSUMERS + OPERATORS)]
        self._set_up_now()

    @property
    def state(self) -> State:
        return self.rules

    def _account(self, number: int) -> Account:
        secret = (0x7000 + number).to_bytes(32, "big")
        address = address_of_secret(secret)
        self.machine.fund(address, RICH)
        self.rules.balances[address] = RICH
        return Account(NodeKey(address, secret))

    def _set_up_now(self) -> None:
        for consumer in self.consumers:
            self.do(consumer, calls.RegisterConsumer("example/image", IMAGES[0], Wei(ETHER)))
        for number, operator in enumerate(self.operators):
            payout = operator.address if number == OPERATORS - 1 else payout_of(number)
            self.do(operator, calls.RegisterProver(payout, Wei(ETHER + number * GWEI)))
            for consumer in self.consumers:
                roles = Role.PROVE | Role.VERIFY if number else Role.PROVE
                self.do(operator, calls.Commit(consumer.address, IMAGES[0], roles))
        for consumer in self.consumers:
            self.do(consumer, calls.TakeSnapshot(consumer.address))

    def later(self, seconds: int) -> None:
        self.clock += seconds
        self.machine.at(self.clock)
        self.steps.append(f"{seconds} s later")

    def do(self, sender: Party, call: Call) -> str:
        """What both say of a call; empty where it is done."""
        value, data = encode(call, self._slot(sender.address, call), self._snapshots(call))
        code = self.machine.call(sender.address, data, value).refusal
        trial, rules = self.rules.fork(), ""
        try:
            trial.apply(sender.address, call, Block(1, ZERO_HASH, self.clock))
        except Revert as refused:
            rules = str(refused)
        self.steps.append(f"{type(call).__name__}: {code or 'done'}")
        assert rules == code, (self.steps, call)
        assert not rules or trial == self.rules, "what the rules refuse they have half done"
        self.rules = trial
        return code

    def _slot(self, sender: Address, call: Call) -> Hash32:
        """Where the adapter would put a settlement; the rules choose by themselves, and must choose alike."""
        if isinstance(call, calls.Settle | calls.SettleAttested):
            if call.pays is not None:
                return own_slot(sender, call.pays.key)
            number = 0
            while slot_key(sender, number) in self.rules.batches:
                number += 1
            return own_slot(sender, slot_key(sender, number))
        return ZERO_HASH

    def _snapshots(self, call: Call) -> list[Snapshot]:
        if not isinstance(call, calls.Settle | calls.SettleAttested):
            return []
        requests = [entry.request.message for entry in call.entries]
        found = [self.rules.snapshot(request.consumer, request.snapshot_id) for request in requests]
        return [snapshot for snapshot in found if snapshot is not None]

    def alike(self) -> None:
        """Everybody has the same on both sides, and the contract has what it owes."""
        machine, rules = self.machine, self.rules
        assert machine.balance(machine.address) == rules.held(), self.steps
        accounts = [party.address for party in self.parties] + [payout_of(n) for n in range(OPERATORS)]
        for account in accounts:
            assert machine.balance(account) == rules.balances.get(account, 0), self.steps
        for member in range(1, OPERATORS + 1):
            owed = gpn.decode_rewards(machine.view(gpn.rewards(member)))
            assert owed == rules.rewards.get(member, 0), self.steps
        assert gpn.decode_burned(machine.view(gpn.burned())) == rules.burned, self.steps
        for consumer in self.consumers:
            self._same_consumer(consumer.address)
        for party in self.operators:
            seen = codec.prover(gpn.decode_prover(machine.view(gpn.prover(party.address))))
            assert seen == rules.provers.get(party.address), self.steps

    def _same_consumer(self, address: Address) -> None:
        known = self.rules.consumers[address]
        seen = codec.consumer(gpn.decode_consumer(self.machine.view(gpn.consumer(address))))
        assert seen == (known.info if known.is_registered else None), self.steps
        last = len(known.snapshots)
        for number in (last, last + 1):
            view = gpn.decode_snapshot(self.machine.view(gpn.snapshot(address, number)))
            assert codec.snapshot(address, number, view) == self.rules.snapshot(address, number), self.steps


def _pays_its_own(sent: tuple[Party, Call]) -> bool:
    """Whether the adapter would send it at all: nobody can pay another's batch in a settlement."""
    sender, call = sent
    if not isinstance(call, calls.Settle | calls.SettleAttested) or call.pays is None:
        return True
    return any(slot_key(sender.address, number) == call.pays.key for number in range(32))


@lru_cache(maxsize=1)
def begun() -> Twins:
    """Two consumers with a committee each; whoever takes it leaves it as it was."""
    return Twins()


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        first = begun()
        self.twins = copy(first)
        self.twins.rules = first.rules.fork()
        self.twins.entries, self.twins.steps = [], []
        self._undo = first.machine.undone()
        self._undo.__enter__()

    def teardown(self) -> None:
        self._undo.__exit__(None, None, None)

    @rule(seed=st.integers(0, 2**32 - 1))
    def step(self, seed: int) -> None:
        self.twins.random = draw = Random(seed)
        if draw.random() < 0.2:
            return self.twins.later(MONTH if draw.random() < 0.03 else draw.choice(LATER))
        (move,) = draw.choices(list(MOVES), list(MOVES.values()))
        sent = move(self.twins)
        if sent is not None and _pays_its_own(sent):
            event(f"{type(sent[1]).__name__}: {self.twins.do(*sent) or 'done'}")
        return None

    @invariant()
    def both_have_the_same(self) -> None:
        self.twins.alike()


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=90,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)

"""Whatever bytes a stranger sends, it never has more afterwards, and everybody's money is where it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

import pytest
from eth_utils.abi import function_abi_to_4byte_selector
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from gpn_desktop.adapters.chain import bindings as gpn
from gpn_desktop.core.eip712 import address_of_secret, details_hash, digest, keccak, sign_digest
from gpn_desktop.core.types import Hash32
from tests.contract.evm.machine import ETHER
from tests.contract.evm.pool import DAY, MEMBERS, STRANGER, Committee, Pool, ballots, payout, terms, vote_on
from tests.contract.evmnode import ARTIFACT, compact

THIEF: Final = address_of_secret(STRANGER)
WORDS: Final = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 400).map(lambda number: number.to_bytes(32, "big")),
    st.sampled_from((THIEF.rjust(32, b"\0"), b"\xff" * 32, (2**255).to_bytes(32, "big"))),
)
FEW: Final = settings(
    max_examples=700, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@dataclass(frozen=True, slots=True)
class Town:
    """A contract with deposits, stakes, rewards, an open batch and one that is due."""

    pool: Pool
    templates: tuple[bytes, ...]  # calls that were good once, or will be
    selectors: tuple[bytes, ...]

    def pockets(self) -> tuple[int, int]:
        """What the contract and its members' payout addresses have together, and what the stranger has."""
        machine = self.pool.machine
        members = sum(machine.balance(payout(number)) for number in range(MEMBERS))
        return machine.balance(machine.address) + members, machine.balance(THIEF)


def settlement(pool: Pool, committee: Committee, nonce: int) -> bytes:
    request = committee.request(nonce=nonce, reward=10**6, deadline=pool.machine.now + 3600, quorum=3)
    vote = vote_on(request, committee, 0, pool.machine.domain)
    r, vs = compact(sign_digest(vote.request_id, committee.key))
    hash32 = digest(vote, pool.machine.domain)
    data = gpn.RequestData(
        consumer=request.consumer,
        nonce=request.nonce,
        reward_gwei=request.reward,
        deadline=request.deadline,
        quorum=request.quorum,
        snapshot_id=request.snapshot_id,
        payload_hash=request.payload_hash,
        details_hash=details_hash(request.details),
    )
    votes = ballots(hash32, committee, committee.verifiers(0))
    entry = gpn.Entry(data, r, vs, vote.proof_hash, 1, 0, votes)
    return gpn.settle(Hash32(nonce.to_bytes(32, "big")), gpn.EMPTY_BATCH, [entry])


@pytest.fixture(scope="module")
def town() -> Town:
    pool = Pool(terms(), (5,), seed=3)
    machine, (committee,) = pool.machine, pool.committees
    first, owner = settlement(pool, committee, 0), committee.keys[0]
    batches = []
    for data in (first, settlement(pool, committee, 1)):
        (settled,) = (event for event in machine.done(owner, data) if isinstance(event, gpn.Settled))
        batches.append((settled.key, gpn.Batch(settled.finalize_at, settled.records)))
        machine.at(machine.now + DAY)
    (key, batch), (due_key, due) = batches
    machine.done(owner, gpn.finalize([key], [batch]))
    third = settlement(pool, committee, 2)
    member, consumer = committee.member(1), committee.consumer
    templates = (
        first,
        third,
        gpn.finalize([due_key], [due]),
        gpn.finalize([key, due_key], [batch, due]),
        gpn.withdraw_rewards(list(committee.ids)),
        gpn.extend(due_key, due, [0], [b""]),
        gpn.supersede(due_key, due, 0, 1, keccak(b"other"), 1, b""),
        gpn.slash_equivocation(member, keccak(b"r"), member, keccak(b"p"), *[_silence()] * 2),
        gpn.deposit_eth(consumer),
        gpn.register_consumer("example/image", keccak(b"image")),
        gpn.register_prover(THIEF),
        gpn.set_payout(member, THIEF),
        gpn.retire_nonces(5),
        gpn.commit(consumer, keccak(b"image"), 3),
        gpn.evict(consumer, member),
        gpn.withdraw_prover(),
        gpn.withdraw_consumer(),
    )
    return Town(pool, templates, _selectors())


def _silence() -> gpn.Opinion:
    return gpn.Opinion(1, bytes(32), bytes(32), (), 0)


def _selectors() -> tuple[bytes, ...]:
    """Of every function of the contract."""
    abi = json.loads(ARTIFACT.read_text())["abi"]
    return tuple(function_abi_to_4byte_selector(item) for item in abi if item["type"] == "function")


def mutated(data: st.DataObject, call: bytes) -> bytes:
    """The call with words of its own changed, cut off or repeated."""
    words = [call[at : at + 32] for at in range(4, len(call), 32)]
    for _ in range(data.draw(st.integers(0, 4))):
        if not words:
            break
        place = data.draw(st.integers(0, len(words) - 1))
        match data.draw(st.sampled_from(("set", "set", "drop", "again", "cut"))):
            case "set":
                words[place] = data.draw(WORDS)
            case "drop":
                del words[place]
            case "again":
                words.insert(place, words[place])
            case "cut":
                words = words[:place]
    return call[:4] + b"".join(words)


def nobody_has_lost(town: Town, call: bytes, value: int) -> None:
    machine = town.pool.machine
    with machine.undone():
        theirs, mine = town.pockets()
        result = machine.call(THIEF, call, value)
        theirs_now, mine_now = town.pockets()
        event(result.refusal.split("(")[0] or "done")
        paid_in = 0 if result.refusal else value
        assert (theirs_now, mine_now) == (theirs + paid_in, mine - paid_in)


VALUES: Final = st.sampled_from((0, 0, 0, 1, ETHER))


@FEW
@given(data=st.data(), value=VALUES)
def test_random_words_at_every_function(town: Town, data: st.DataObject, value: int) -> None:
    selector = data.draw(st.one_of(st.sampled_from(town.selectors), st.binary(max_size=4)))
    words = data.draw(st.lists(WORDS, max_size=24))
    nobody_has_lost(town, selector + b"".join(words) + data.draw(st.binary(max_size=31)), value)


@FEW
@given(data=st.data(), value=VALUES)
def test_good_calls_with_words_of_them_changed(town: Town, data: st.DataObject, value: int) -> None:
    nobody_has_lost(town, mutated(data, data.draw(st.sampled_from(town.templates))), value)


def test_the_good_calls_among_them_do_move_money(town: Town) -> None:
    """What the fuzz begins with is no rubbish: a payout reaches the members, and nobody else."""
    machine = town.pool.machine
    with machine.undone():
        held = machine.balance(machine.address)
        assert not machine.call(THIEF, town.templates[2]).refusal
        assert not machine.call(THIEF, town.templates[4]).refusal
        assert machine.balance(machine.address) < held


def test_a_name_that_is_no_text_keeps_nobody_from_reading(town: Town) -> None:
    """The contract takes any bytes for an image's name, and every node reads every consumer."""
    machine = town.pool.machine
    call = gpn.register_consumer("nonsense", keccak(b"image")).replace(b"nonsense", b"\xff\xfe\x80\x00evil")
    with machine.undone():
        result = machine.call(THIEF, call)
        (registered,) = (told for told in result.events if isinstance(told, gpn.ConsumerRegistered))
        assert registered.image == "\ufffd\ufffd\ufffd\0evil"
        everybody = gpn.decode_get_consumers(machine.view(gpn.get_consumers(0, 10)))
        assert [(seen.consumer, seen.image) for seen in everybody][1:] == [(THIEF, registered.image)]

"""Between the wire's messages and the node's values; what comes in is checked for shape, and never more."""

from __future__ import annotations

from typing import Final

from gpn_desktop.adapters.grpc.pb import gpn_pb2 as pb
from gpn_desktop.core.errors import RequestRefused
from gpn_desktop.core.types import Address, Details, Domain, Gwei, Hash32, Request, hex0x
from gpn_desktop.services.views import (
    ConsumerView,
    JobView,
    NodeView,
    Phase,
    ProofView,
    StepView,
    TurnView,
    VoteView,
)

PHASES: Final = {phase: pb.Phase.Value(f"PHASE_{phase.name}") for phase in Phase}
_PHASE_OF: Final = {number: phase for phase, number in PHASES.items()}
MAX_QUORUM: Final = 255


def sized(value: bytes, size: int, name: str) -> bytes:
    """The value, if it has this many bytes; RequestRefused otherwise."""
    if len(value) != size:
        raise RequestRefused(f"{name} has {len(value)} bytes instead of {size}.")
    return value


def address(value: bytes, name: str) -> Address:
    return Address(sized(value, 20, name))


def hash32(value: bytes, name: str) -> Hash32:
    return Hash32(sized(value, 32, name))


def request_to_pb(request: Request) -> pb.Request:
    details = pb.Details(
        proving_timeout=request.details.proving_timeout,
        image_digest=request.details.image_digest,
        anchor_block=request.details.anchor_block,
        ref=request.details.ref,
    )
    return pb.Request(
        consumer=request.consumer,
        nonce=request.nonce,
        reward_gwei=request.reward,
        deadline=request.deadline,
        quorum=request.quorum,
        snapshot_id=request.snapshot_id,
        payload_hash=request.payload_hash,
        details=details,
    )


def request_from_pb(message: pb.Request) -> Request:
    """The request; RequestRefused when a field cannot be what it is called."""
    if message.quorum > MAX_QUORUM:
        raise RequestRefused(f"The quorum is {message.quorum}.")
    details = message.details
    return Request(
        consumer=Address(sized(message.consumer, 20, "consumer")),
        nonce=message.nonce,
        reward=Gwei(message.reward_gwei),
        deadline=message.deadline,
        quorum=message.quorum,
        snapshot_id=message.snapshot_id,
        payload_hash=hash32(message.payload_hash, "payload_hash"),
        details=Details(
            proving_timeout=details.proving_timeout,
            image_digest=hash32(details.image_digest, "image_digest"),
            anchor_block=details.anchor_block,
            ref=details.ref,
        ),
    )


def state_to_pb(job: JobView) -> pb.RequestState:
    return pb.RequestState(
        request_id=job.request_id,
        ref=job.ref,
        consumer=job.consumer,
        phase=PHASES[job.phase],
        attempt=job.attempt,
        prover=job.prover,
        reward_gwei=job.reward,
        deadline=job.deadline,
        quorum=job.quorum,
        valid_votes=job.valid_votes,
        invalid_votes=job.invalid_votes,
        committee=job.committee,
        received_ms=job.received_ms,
        verdict_ms=job.verdict_ms,
        proof_hash=job.proof_hash,
        seed=job.seed,
        turns=[
            pb.Turn(rank=t.rank, prover=t.prover, state=t.state, proof_hash=t.proof_hash) for t in job.turns
        ],
        votes=[
            pb.Vote(voter=v.voter, prover=v.prover, proof_hash=v.proof_hash, attempt=v.attempt, valid=v.valid)
            for v in job.votes
        ],
        timeline=[pb.Step(label=s.label, time_ms=s.time_ms) for s in job.timeline],
        error=job.error,
        prove_ms=job.prove_ms,
        verify_ms=job.verify_ms,
    )


def state_from_pb(state: pb.RequestState) -> JobView:
    """As a client sees it: ``role`` is always Consumer and nothing is ``mine``."""
    return JobView(
        request_id=Hash32(state.request_id),
        ref=state.ref,
        consumer=Address(state.consumer),
        phase=_PHASE_OF.get(state.phase, Phase.WAITING),
        role="Consumer",
        attempt=state.attempt,
        prover=Address(state.prover) if state.HasField("prover") else None,
        reward=Gwei(state.reward_gwei),
        earned=Gwei(0),
        deadline=state.deadline,
        quorum=state.quorum,
        valid_votes=state.valid_votes,
        invalid_votes=state.invalid_votes,
        committee=state.committee,
        received_ms=state.received_ms,
        verdict_ms=state.verdict_ms,
        proof_hash=Hash32(state.proof_hash) if state.HasField("proof_hash") else None,
        seed=Hash32(state.seed) if state.HasField("seed") else None,
        turns=tuple(_turn(turn) for turn in state.turns),
        votes=tuple(_vote(vote) for vote in state.votes),
        timeline=tuple(StepView(step.label, step.time_ms) for step in state.timeline),
        error=state.error,
        prove_ms=state.prove_ms if state.HasField("prove_ms") else None,
        verify_ms=state.verify_ms if state.HasField("verify_ms") else None,
    )


def _turn(turn: pb.Turn) -> TurnView:
    proof_hash = Hash32(turn.proof_hash) if turn.HasField("proof_hash") else None
    return TurnView(turn.rank, Address(turn.prover), False, turn.state, proof_hash)


def _vote(vote: pb.Vote) -> VoteView:
    return VoteView(
        Address(vote.voter), Address(vote.prover), Hash32(vote.proof_hash), vote.attempt, vote.valid, False
    )


def proof_to_pb(proof: ProofView) -> pb.GetProofResponse:
    return pb.GetProofResponse(
        request_id=proof.request_id,
        proof_hash=proof.proof_hash,
        proof=proof.proof,
        verdict_ms=proof.verdict_ms,
        votes=[pb.VoteSignature(voter=voter, signature=signature) for voter, signature in proof.votes],
    )


def proof_from_pb(message: pb.GetProofResponse) -> ProofView:
    votes = tuple((Address(vote.voter), vote.signature) for vote in message.votes)
    return ProofView(
        Hash32(message.request_id), Hash32(message.proof_hash), message.proof, message.verdict_ms, votes
    )


def consumer_to_pb(consumer: ConsumerView) -> pb.Consumer:
    return pb.Consumer(
        address=consumer.address,
        image_name=consumer.image_name,
        image_digest=consumer.image_digest,
        balance_gwei=consumer.balance,
        snapshot_id=consumer.snapshot_id,
        committee=consumer.committee,
        served_here=consumer.committed,
    )


def consumer_from_pb(message: pb.Consumer) -> ConsumerView:
    """``image_state`` is the node's own matter and stays empty."""
    return ConsumerView(
        address=Address(message.address),
        image_name=message.image_name,
        image_digest=Hash32(message.image_digest),
        balance=Gwei(message.balance_gwei),
        snapshot_id=message.snapshot_id,
        committee=message.committee,
        image_state="",
        committed=message.served_here,
    )


def info_to_pb(view: NodeView, domain: Domain) -> pb.NodeInfoResponse:
    return pb.NodeInfoResponse(
        address=view.address,
        version=view.version,
        network=view.network,
        domain=pb.Domain(
            name=domain.name,
            version=domain.version,
            chain_id=domain.chain_id,
            verifying_contract=domain.contract,
        ),
        head=view.head,
        chain_up=view.chain_up,
        peers=view.peers,
    )


def domain_from_pb(message: pb.Domain) -> Domain:
    return Domain(message.chain_id, Address(message.verifying_contract), message.name, message.version)


def proof_id(proof: ProofView) -> str:
    """What the prototype's clients get as ``proof_id``."""
    return hex0x(proof.proof_hash)

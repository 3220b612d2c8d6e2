"""16xx and 17xx: requests; each check of protocol.md has a code of its own."""

from __future__ import annotations

from gpn_desktop.core.errors.base import GpnError

# 16xx: requests, each check of protocol.md with a code of its own ---------------------------------------


class RequestRefused(GpnError):
    code = "GPN-1600"
    remedy = "Correct the request and sign it again."


class BadRequestSignature(RequestRefused):
    code = "GPN-1601"
    remedy = "Sign the EIP-712 Request with the consumer's key, for this chain and contract."


class UnknownConsumer(RequestRefused):
    code = "GPN-1602"
    remedy = "Register the consumer on the contract first."


class ConsumerExiting(RequestRefused):
    code = "GPN-1603"
    remedy = "A consumer that is leaving cannot order proofs."


class UnknownImage(RequestRefused):
    code = "GPN-1604"
    remedy = "Use the image digest that is registered on the contract."


class SnapshotNotInForce(RequestRefused):
    code = "GPN-1605"
    remedy = "Use the consumer's newest committee snapshot at the anchor block."


class QuorumOutOfRange(RequestRefused):
    code = "GPN-1606"
    remedy = "Choose a quorum above half of the verifiers and not above their number."


class NonceUsed(RequestRefused):
    code = "GPN-1607"
    remedy = "Use a nonce that is free and within the contract's window."


class RewardTooLow(RequestRefused):
    code = "GPN-1608"
    remedy = "Offer at least the contract's minimum reward."


class DeadlineOutOfRange(RequestRefused):
    code = "GPN-1609"
    remedy = "Choose a deadline after the anchor block's time, within the contract's longest lifetime."


class PayloadMismatch(RequestRefused):
    code = "GPN-1610"
    remedy = "The payload must match the signed hash."


class PayloadTooLarge(RequestRefused):
    code = "GPN-1611"
    remedy = "Send at most 32 MiB; give larger data by reference inside the payload."


class AnchorUnknown(RequestRefused):
    code = "GPN-1612"
    remedy = "Anchor the request at a block of this chain that is confirmed and recent."


class RefReused(RequestRefused):
    code = "GPN-1613"
    remedy = "Use a new request_id for a new request."


class RefMalformed(RequestRefused):
    code = "GPN-1614"
    remedy = "A request_id has 1 to 128 characters."


class NonceConflict(RequestRefused):
    code = "GPN-1615"
    remedy = "Two requests were signed on one nonce; the other one counts."


class CommitteeTooSmall(RequestRefused):
    code = "GPN-1616"
    remedy = "At least two committed operators are needed, since nobody verifies an own proof."


class TimeoutOutOfRange(RequestRefused):
    code = "GPN-1617"
    remedy = "Choose a provingTimeout of at least 1 s that ends before the deadline."


class LegacyRequestRefused(RequestRefused):
    code = "GPN-1618"
    remedy = "Use gpn.v1 SubmitRequest with a signed Request; the old form works in MODE=testing only."


class RateLimited(RequestRefused):
    code = "GPN-1619"
    remedy = "Wait a moment and send again."


# 17xx: looking requests up ------------------------------------------------------------------------------


class UnknownRequest(GpnError):
    code = "GPN-1701"
    remedy = "Check the request id and ask the node that took the request."


class ProofNotReady(GpnError):
    code = "GPN-1702"
    remedy = "Ask again later, or follow the request with WatchRequest."


class RefAmbiguous(GpnError):
    code = "GPN-1703"
    remedy = "Two consumers use this request id; ask by the 0x request digest."


class RequestEnded(GpnError):
    code = "GPN-1704"
    remedy = "The request ended without a proof; send a new one."


class CancelTooLate(GpnError):
    code = "GPN-1705"
    remedy = "Proving has started; the request runs to its end."


class CanaryRefused(GpnError):
    code = "GPN-1709"
    remedy = "Ask another prover of the committee, before the request's first turn."


class GatewayUnreachable(GpnError):
    code = "GPN-1706"
    remedy = "Check the node's address, that it runs, and whether it expects TLS."

"""Which gRPC status each of our errors has, and the way back from a status to the error.

The stable code travels in the trailing metadata ``gpn-code``, since several errors share one status.
"""

from __future__ import annotations

from typing import Final

import grpc

from gpn_desktop.core import errors
from gpn_desktop.core.errors import GpnError

CODE_KEY: Final = "gpn-code"
MAX_DETAILS: Final = 1_000  # characters; the header block of a response has a limit

_S = grpc.StatusCode
STATUS: Final[dict[type[GpnError], grpc.StatusCode]] = {
    errors.NoCommitteePeers: _S.UNAVAILABLE,
    errors.StoreFull: _S.RESOURCE_EXHAUSTED,
    errors.StoreForbidden: _S.RESOURCE_EXHAUSTED,
    errors.StoreClosed: _S.UNAVAILABLE,
    errors.ChainUnreachable: _S.UNAVAILABLE,
    errors.NetworkDown: _S.UNAVAILABLE,
    errors.RequestRefused: _S.INVALID_ARGUMENT,
    errors.BadRequestSignature: _S.UNAUTHENTICATED,
    errors.UnknownConsumer: _S.FAILED_PRECONDITION,
    errors.ConsumerExiting: _S.FAILED_PRECONDITION,
    errors.UnknownImage: _S.FAILED_PRECONDITION,
    errors.SnapshotNotInForce: _S.FAILED_PRECONDITION,
    errors.QuorumOutOfRange: _S.OUT_OF_RANGE,
    errors.NonceUsed: _S.ALREADY_EXISTS,
    errors.RewardTooLow: _S.OUT_OF_RANGE,
    errors.DeadlineOutOfRange: _S.OUT_OF_RANGE,
    errors.PayloadMismatch: _S.INVALID_ARGUMENT,
    errors.PayloadTooLarge: _S.RESOURCE_EXHAUSTED,
    errors.AnchorUnknown: _S.FAILED_PRECONDITION,
    errors.RefReused: _S.ALREADY_EXISTS,
    errors.RefMalformed: _S.INVALID_ARGUMENT,
    errors.NonceConflict: _S.ABORTED,
    errors.CommitteeTooSmall: _S.FAILED_PRECONDITION,
    errors.TimeoutOutOfRange: _S.OUT_OF_RANGE,
    errors.LegacyRequestRefused: _S.FAILED_PRECONDITION,
    errors.RateLimited: _S.RESOURCE_EXHAUSTED,
    errors.UnknownRequest: _S.NOT_FOUND,
    errors.ProofNotReady: _S.UNAVAILABLE,
    errors.RefAmbiguous: _S.FAILED_PRECONDITION,
    errors.RequestEnded: _S.ABORTED,
    errors.CancelTooLate: _S.FAILED_PRECONDITION,
    errors.CanaryRefused: _S.FAILED_PRECONDITION,
    errors.GatewayUnreachable: _S.UNAVAILABLE,
}


def status_of(error: GpnError) -> grpc.StatusCode:
    """The status of an error; INTERNAL for what is this node's own trouble."""
    return STATUS.get(type(error), _S.INTERNAL)


def details_of(error: GpnError) -> str:
    """What happened and what to do about it, short enough for a header."""
    return str(error)[:MAX_DETAILS]


def error_from(code: grpc.StatusCode, details: str, gpn_code: str | None) -> GpnError:
    """The error that a failed call stands for, as the node would have raised it."""
    for kind in STATUS:
        if kind.code == gpn_code:
            return kind(details.removesuffix(f" {kind.remedy} [{kind.code}]"))
    if code in (_S.UNAVAILABLE, _S.DEADLINE_EXCEEDED):
        return errors.GatewayUnreachable(f"The node does not answer ({details}).")
    if code is _S.RESOURCE_EXHAUSTED:
        return errors.PayloadTooLarge(f"The node refused the message ({details}).")
    return GpnError(f"The node answered {code.name}: {details}.")

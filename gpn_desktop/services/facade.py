"""The one door of the node for its clients: window, gRPC and command line see this and nothing behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from gpn_desktop.core.history import JobOrder
from gpn_desktop.core.types import Address, Domain, Hash32, Request, Wei
from gpn_desktop.ports.chain import TxRecord
from gpn_desktop.ports.network import PeerInfo
from gpn_desktop.ports.store import JobRow
from gpn_desktop.services.account import Account
from gpn_desktop.services.ballots import Ballots
from gpn_desktop.services.images import Images
from gpn_desktop.services.ledger import Ledger
from gpn_desktop.services.membership import Membership
from gpn_desktop.services.pausing import Pausing
from gpn_desktop.services.replay import Replay
from gpn_desktop.services.trials import Trials
from gpn_desktop.services.views import ConsumerView, JobView, NodeView, ProofView


class Facade(Protocol):
    """Every call raises subclasses of GpnError only."""

    domain: Domain
    images: Images
    """What is pulled, what runs, and why one does not."""
    pausing: Pausing | None
    """Why it pauses, by hand and by rule; None where nothing senses the machine."""
    trials: Trials | None
    """None where images are not a matter of this machine."""
    account: Account | None
    """The node's own money; None where there is no chain."""
    ballots: Ballots
    """Votes as they were signed."""
    ledger: Ledger
    """What was earned, line by line."""
    replay: Replay | None
    """What a consumer's past would have brought; None where there is no chain."""
    membership: Membership | None
    """Committing and leaving; None where there is no contract."""

    def view(self) -> NodeView:
        """The node now; cheap, no I/O."""
        ...

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` on the node's loop after every change (the caller coalesces); returns the undo."""
        ...

    async def submit(self, request: Request, signature: bytes, payload: bytes) -> Hash32:
        """Check, keep and gossip a consumer's request; its id. The same request again gives the same id.

        Raises:
            RequestRefused: a subclass for each check.
            NoCommitteePeers: nobody is there to serve it.
        """
        ...

    async def submit_legacy(
        self, ref: str, consumer: str, image: str, data: bytes, signature: bytes
    ) -> Hash32:
        """The seed's ComputeProof. LegacyRequestRefused outside of testing mode."""
        ...

    def watch(self, request_id: Hash32) -> AsyncIterator[JobView]:
        """The request's state now and after each change, until it has ended; UnknownRequest."""
        ...

    async def proof(self, wanted: str) -> ProofView:
        """By the client's own id at this gateway, or by the 0x digest.

        Raises:
            UnknownRequest, ProofNotReady, RefAmbiguous, RequestEnded
        """
        ...

    async def offer_canary(
        self, consumer: Address, request_id: Hash32, prover: Address, signature: bytes
    ) -> None:
        """The consumer's signed Canary for this node; CanaryRefused where it is not taken."""
        ...

    async def cancel(self, request_id: Hash32, signature: bytes) -> None:
        """The consumer's signed Cancel; CancelTooLate after t₀."""
        ...

    async def consumers(self) -> list[ConsumerView]: ...

    async def try_image(self, consumer: Address) -> None:
        """Begin to try a consumer's image against what the consumer asks for; ``trials`` follows it.

        Raises:
            ConsumerUnknown, TrialRunning, ChainUnreachable
        """
        ...

    async def jobs(self, offset: int, limit: int, search: str, order: JobOrder) -> list[JobRow]:
        """A page of the history."""
        ...

    async def transactions(self, request_id: Hash32) -> list[TxRecord]:
        """This node's own transactions for a request, as far as the journal has them, oldest first."""
        ...

    async def give_up(self, request_id: Hash32) -> None:
        """Decline the turn that this node is at; the next prover takes over. NothingToGiveUp."""
        ...

    async def logs(self, request_id: Hash32) -> dict[str, str]:
        """What the containers wrote while they worked on a request, by role."""
        ...

    def peers(self) -> tuple[PeerInfo, ...]:
        """Who is connected now; cheap, no I/O."""
        ...

    async def connect(self, address: str) -> None:
        """Connect to a multiaddress and keep it for later starts; NetworkDown where nobody answers there."""
        ...

    async def ban(self, peer: Address, seconds: float) -> None:
        """Drop a peer and refuse it for so long, by the operator's word."""
        ...

    async def pause(self, paused: bool) -> None:
        """While paused the node declines its turns at once and goes on verifying."""
        ...

    async def withdraw(self) -> Wei:
        """Withdraw all claimable rewards to the payout address; the amount sent, 0 if there was none."""
        ...

    async def aclose(self) -> None:
        """Shut the node down in order, within 5 s; idempotent."""
        ...

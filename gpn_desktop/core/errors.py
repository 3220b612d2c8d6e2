"""The one tree of errors that people meet: a stable code, what happened, and what to do about it.

Adapters translate the errors of their SDK into these at the edge; nothing outside an adapter ever catches
an SDK's own exception.
"""

from __future__ import annotations


class GpnError(Exception):
    """An error with a stable code (``GPN-1203``), a message for people and a remedy.

    Subclasses fix ``code`` and ``remedy``; the message says what happened in this case.
    """

    code: str = "GPN-1000"
    remedy: str = "See the log for details."

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if remedy is not None:
            self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy} [{self.code}]"


# 11xx: configuration and keys -------------------------------------------------------------------------


class ConfigError(GpnError):
    code = "GPN-1101"
    remedy = "Correct the setting and start again."


class KeyMissing(GpnError):
    code = "GPN-1102"
    remedy = "Set PRIVATE_KEY_PATH to a key file, or import a key with `gpn-desktop key import`."


class KeyUnusable(GpnError):
    code = "GPN-1103"
    remedy = "Check the passphrase and the file; restore the key from its backup if it is damaged."


class PassphraseWrong(KeyUnusable):
    code = "GPN-1121"
    remedy = "Type it again; capital letters count. Without it the key can only come from another backup."


class MnemonicWrong(KeyUnusable):
    code = "GPN-1122"
    remedy = "Compare the words with your backup, one by one."


class KeyExists(KeyUnusable):
    code = "GPN-1123"
    remedy = "Export it and test the restore first; then it can be replaced."


class KeyLocked(KeyUnusable):
    code = "GPN-1124"
    remedy = "Unlock the wallet with its passphrase."


class KeyringUnavailable(GpnError):
    code = "GPN-1104"
    remedy = "Unlock the system's keyring, or use a keystore file with a passphrase."


class PortInUse(GpnError):
    code = "GPN-1105"
    remedy = "End the other program or choose another port."


class NotSetUp(ConfigError):
    """No network was ever chosen here."""

    code = "GPN-1106"
    remedy = "Set what is missing and start again."


class BadOption(GpnError):
    code = "GPN-1107"
    remedy = "Correct the option and run the command again; --help shows each one's form."


class NotConfirmed(GpnError):
    """Nothing was sent."""

    code = "GPN-1108"
    remedy = "Run the command again and answer y, or give --yes where nobody can be asked."


class DeploymentUnknown(ConfigError):
    code = "GPN-1109"
    remedy = (
        "Name the contract with CONTRACT_ADDRESS or --contract-address, or deploy one with `gpn-desktop "
        "contracts deploy`."
    )


# 12xx: store ------------------------------------------------------------------------------------------


class StoreCorrupt(GpnError):
    code = "GPN-1201"
    remedy = "Move the damaged database away and start again; the node syncs from its peers and the chain."


class StoreFull(GpnError):
    code = "GPN-1202"
    remedy = "Free space on the disk that holds the data folder."


class StoreLocked(GpnError):
    code = "GPN-1203"
    remedy = "Another node uses this data folder. Stop it, or choose another data folder."


class StoreClosed(GpnError):
    code = "GPN-1204"
    remedy = "The node is shutting down; start it again."


# 13xx: chain ------------------------------------------------------------------------------------------


class ChainUnreachable(GpnError):
    code = "GPN-1301"
    remedy = "Check ETHEREUM_API and the network connection."


class WrongChain(GpnError):
    code = "GPN-1302"
    remedy = "Point ETHEREUM_API at the configured chain, or correct chain_id."


class ContractMissing(GpnError):
    code = "GPN-1303"
    remedy = "Check CONTRACT_ADDRESS and that the endpoint serves the chain that carries it."


class TransactionFailed(GpnError):
    code = "GPN-1304"
    remedy = "The reason names the contract's rule that refused it."


class InsufficientFunds(GpnError):
    code = "GPN-1305"
    remedy = "Send ETH to the node's address to pay for gas."


class FeesTooHigh(GpnError):
    """Nothing was sent and nothing is lost: the same can be asked for again when gas is cheaper."""

    code = "GPN-1306"
    remedy = "Wait until gas is cheaper, or raise chain.max_fee_gwei."


class ArtifactDamaged(GpnError):
    code = "GPN-1307"
    remedy = "Install the application anew, or run `make contracts` in a checkout."


# 14xx: network ----------------------------------------------------------------------------------------


class NetworkDown(GpnError):
    code = "GPN-1401"
    remedy = "The node restarts its network by itself; restart the node if this lasts."


class PeerMessageInvalid(GpnError):
    code = "GPN-1402"
    remedy = "The peer's message was dropped."


class FetchFailed(GpnError):
    code = "GPN-1403"
    remedy = "No provider served the data; it is tried again from others."


class NoCommitteePeers(GpnError):
    code = "GPN-1404"
    remedy = "No member of the consumer's committee is connected. Try again, or use another gateway."


# 15xx: prover runtime ---------------------------------------------------------------------------------


class EngineMissing(GpnError):
    code = "GPN-1501"
    remedy = "Install and start Docker, then try again."


class EngineFault(GpnError):
    code = "GPN-1502"
    remedy = "See the Docker engine's log."


class ImageUnavailable(GpnError):
    code = "GPN-1503"
    remedy = "Check the image's name and digest and that its registry answers."


class ImageTooLarge(GpnError):
    code = "GPN-1504"
    remedy = "Raise the image size limit or choose another consumer."


class ProverTimeout(GpnError):
    code = "GPN-1505"
    remedy = "The container was removed. Allow more time if the image is known to be slow."


class ProverFault(GpnError):
    code = "GPN-1506"
    remedy = "The container's log says more. Report it to the image's author."


class ProverLost(GpnError):
    code = "GPN-1507"
    remedy = "The container died; it is started again for the next job."


class ProverOutputTooLarge(GpnError):
    code = "GPN-1508"
    remedy = "The container was removed. Report it to the image's author."


class GpuUnavailable(GpnError):
    code = "GPN-1509"
    remedy = (
        "Install the NVIDIA Container Toolkit, run: sudo nvidia-ctk runtime configure --runtime=docker — "
        "and restart Docker. Or turn GPUs off in the settings."
    )


class ManifestInvalid(GpnError):
    code = "GPN-1510"
    remedy = "Report it to the image's author; the guide for authors describes the manifest."


class ImageQuarantined(GpnError):
    code = "GPN-1511"
    remedy = "See the logs of its last jobs. It is tried again by itself later, or when you release it."


class EngineDenied(EngineMissing):
    code = "GPN-1512"
    remedy = "Run: sudo usermod -aG docker $USER — then log out and in again."


class EngineTooOld(EngineMissing):
    code = "GPN-1513"
    remedy = "Install Docker 20.10 or newer."


class EngineDiskFull(EngineFault):
    code = "GPN-1514"
    remedy = "Free space on the engine's disk (docker system df shows what uses it), or remove unused images."


class RegistryDenied(ImageUnavailable):
    code = "GPN-1515"
    remedy = "Run docker login for the image's registry, as the user that runs this node."


class ImageDamaged(ImageUnavailable):
    code = "GPN-1516"
    remedy = (
        "The registry serves something else than the digest says. Try again; then ask the image's author."
    )


class ImageInUse(GpnError):
    code = "GPN-1517"
    remedy = "Leave the consumer that uses the image, or wait until its containers have stopped."


class ImageNameInvalid(GpnError):
    code = "GPN-1518"
    remedy = "Write HOST/NAME, HOST/NAME:TAG or HOST/NAME@sha256:DIGEST."


class InputRefused(ProverFault):
    """Not the image's fault, but the request's: the image looked at the input and said no."""

    code = "GPN-1519"
    remedy = "The consumer has to correct the input of its request."


class NoSample(GpnError):
    code = "GPN-1524"
    remedy = "Give an input with --data FILE: the image's manifest has no sample."


class ImageNotBuilt(GpnError):
    code = "GPN-1525"
    remedy = "See the build's output above. The folder needs a Dockerfile that builds by itself."


class ClusterNotSetUp(ConfigError):
    code = "GPN-1530"
    remedy = "Run gpn-desktop cluster init on this machine first."


class ClusterNotInstalled(ConfigError):
    code = "GPN-1531"
    remedy = (
        "Install it: pip install 'gpn-desktop[cluster]'. The packaged application proves on one machine only."
    )


class JoinRefused(GpnError):
    code = "GPN-1532"
    remedy = (
        "Make a new code on the node's machine: gpn-desktop cluster join-code. It is good for one worker."
    )


class ClusterUnreachable(GpnError):
    code = "GPN-1533"
    remedy = "Check that the node runs with cluster.listen set, and that this machine reaches it."


class GpuAbsent(GpnError):
    code = "GPN-1520"
    remedy = "Install a GPU and its driver (nvidia-smi lists it then), or serve images that need none."


class GpuUnsupported(GpnError):
    code = "GPN-1521"
    remedy = "Only NVIDIA GPUs can be given to containers so far. Serve images that need none."


class GpuDriverTooOld(GpnError):
    code = "GPN-1522"
    remedy = "Update the NVIDIA driver, then restart the machine and Docker."


class GpuMemoryTooSmall(GpnError):
    code = "GPN-1523"
    remedy = "Serve images that need less GPU memory."


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


# 162x: doctor, logs and diagnostics ---------------------------------------------------------------------


class NotTriedYet(GpnError):
    code = "GPN-2061"
    remedy = "Try the consumer's image first, on Consumers & images."


class ProbeFailed(GpnError):
    code = "GPN-2020"
    remedy = "Check again; if it stays, look at the log."


class BundleNotWritten(GpnError):
    """Nothing was left at its place."""

    code = "GPN-2021"
    remedy = "Choose another folder, one that you may write to and that has room."


# 164x: settings and pause rules -------------------------------------------------------------------------


class SettingsUnreadable(GpnError):
    code = "GPN-2040"
    remedy = "Correct the file, or move it away: the defaults apply without it."


class SettingsRefused(GpnError):
    """Nothing was written."""

    code = "GPN-2041"
    remedy = "Correct the setting; nothing was changed."


class SettingsNotWritten(GpnError):
    """The file on the disk is the old one, whole."""

    code = "GPN-2042"
    remedy = "Free space on the disk and allow writing to the folder, then apply again; nothing was changed."


class PauseNotKept(GpnError):
    """It holds now; a restart forgets it."""

    code = "GPN-2043"
    remedy = "Free space on the disk that holds the data folder, and set it again."


class PauseRulesRefused(GpnError):
    code = "GPN-2044"
    remedy = "Correct the rule; those in force stay."


class AutostartFailed(GpnError):
    code = "GPN-2045"
    remedy = "Add the application to the system's own list of programs that start at login."


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


# 20xx: what the operator asks for ---------------------------------------------------------------------


class ConsumerUnknown(GpnError):
    code = "GPN-2080"
    remedy = "Choose a consumer from the list; it is read from the contract."


class WalletShort(GpnError):
    code = "GPN-2081"
    remedy = "Send ETH to the node's key first."


class StakeTooSmall(GpnError):
    code = "GPN-2082"
    remedy = "Raise chain.stake (GPN_STAKE), or set it to 0 to stake the contract's least."


class AlreadyLeaving(GpnError):
    code = "GPN-2083"
    remedy = "There is nothing more to do; wait until it is over."


class NotAMember(GpnError):
    code = "GPN-2084"
    remedy = "Commit to a consumer first; that registers this node with its stake."


class TrialRunning(GpnError):
    code = "GPN-2085"
    remedy = "Wait until it is done, or cancel it."


class NothingToGiveUp(GpnError):
    code = "GPN-2086"
    remedy = "There is nothing to do: this node is not proving the request."


class FileNotWritten(GpnError):
    code = "GPN-2087"
    remedy = "Choose another place, or free space, and try again."


class RateWrong(GpnError):
    code = "GPN-2060"
    remedy = "Write the price of 1 ETH as in 2512.40, or name a CSV file with lines of date,rate."


class AddressWrong(GpnError):
    code = "GPN-2001"
    remedy = "Copy it again from where you have it."


class AmountTooHigh(GpnError):
    code = "GPN-2002"
    remedy = "Send less, or everything with the button beside the amount."


class PayoutNotOurs(GpnError):
    code = "GPN-2003"
    remedy = "Change it with the wallet that holds the payout address."

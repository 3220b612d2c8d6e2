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


class KeyringUnavailable(GpnError):
    code = "GPN-1104"
    remedy = "Unlock the system's keyring, or use a keystore file with a passphrase."


class PortInUse(GpnError):
    code = "GPN-1105"
    remedy = "End the other program or choose another port."


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

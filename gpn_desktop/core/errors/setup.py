"""11xx and 12xx: settings, keys and the store."""

from __future__ import annotations

from gpn_desktop.core.errors.base import GpnError

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
    remedy = (
        "Put no older copy in its place. `gpn-desktop journal new` sets the damaged files aside; the node "
        "then begins a new journal, syncs from its peers and the chain, and signs nothing about requests "
        "that are open, lest it contradict itself."
    )


class StoreFull(GpnError):
    code = "GPN-1202"
    remedy = "Free space on the disk that holds the data folder."


class StoreForbidden(StoreFull):
    """The operating system does not let this user write there."""

    code = "GPN-1205"
    remedy = (
        "Give the user that runs the node the right to read and write there, or choose another data folder."
    )


class StoreLocked(GpnError):
    code = "GPN-1203"
    remedy = "Another node uses this data folder. Stop it, or choose another data folder."


class StoreClosed(GpnError):
    code = "GPN-1204"
    remedy = "The node is shutting down; start it again."

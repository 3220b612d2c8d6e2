"""20xx: what the operator asks for."""

from __future__ import annotations

from gpn_desktop.core.errors.base import GpnError

# the doctor and its bundle ----------------------------------------------------------------------


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


class BadSimulation(GpnError):
    code = "GPN-2062"
    remedy = "See gpn-desktop simulate --help."


# settings and pause rules ----------------------------------------------------------------------


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


# commitments, money and files ------------------------------------------------------------------


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

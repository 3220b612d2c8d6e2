"""13xx: the chain."""

from __future__ import annotations

from gpn_desktop.core.errors.base import GpnError


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

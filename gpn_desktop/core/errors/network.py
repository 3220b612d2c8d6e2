"""14xx: peers."""

from __future__ import annotations

from gpn_desktop.core.errors.base import GpnError


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

"""The node's figures over HTTP, where the settings ask for them."""

from __future__ import annotations

from functools import partial

from gpn_desktop.adapters.metrics import MetricsServer
from gpn_desktop.config import NodeConfig
from gpn_desktop.services.node import Node
from gpn_desktop.services.readings import read


async def start_metrics(config: NodeConfig, node: Node) -> MetricsServer | None:
    """Serve until the node closes; None where the settings say nowhere. PortInUse, ConfigError."""
    if config.metrics_listen is None:
        return None
    server = MetricsServer(partial(read, node), *config.metrics_listen)
    await server.start()
    node.closing.append(server.aclose)
    return server

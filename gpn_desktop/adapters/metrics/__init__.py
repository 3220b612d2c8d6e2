"""The node's figures for Prometheus."""

from gpn_desktop.adapters.metrics.exporter import Exporter as Exporter
from gpn_desktop.adapters.metrics.server import MetricsServer as MetricsServer

"""Dask's settings for this use: mutual TLS and nothing else, losses noticed at once, little logging."""

from __future__ import annotations

import logging
import ssl
from typing import Any

import dask
from distributed import Security

from gpn_desktop.adapters.cluster.certificates import Papers

SETTINGS: dict[str, Any] = {
    # A task whose worker died is given back at once; trying it again is the runtime's decision.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.worker-ttl": "15s",
    "distributed.scheduler.work-stealing": False,
    "distributed.comm.timeouts.connect": "5s",
    "distributed.comm.timeouts.tcp": "15s",
    "distributed.comm.retry.count": 0,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.event-loop-monitor-interval": "1h",
}


def configure() -> None:
    """For this process; before anything of Dask's is made."""
    dask.config.set(SETTINGS)
    logging.getLogger("distributed").setLevel(logging.ERROR)


def security(papers: Papers) -> Security:
    """Everybody shows a certificate of the operator's authority, and asks for one."""
    certificate, key = str(papers.certificate), str(papers.key)
    return Security(
        require_encryption=True,
        tls_ca_file=str(papers.authority),
        tls_client_cert=certificate,
        tls_client_key=key,
        tls_scheduler_cert=certificate,
        tls_scheduler_key=key,
        tls_worker_cert=certificate,
        tls_worker_key=key,
        tls_min_version=ssl.TLSVersion.TLSv1_3,
    )

"""The sandbox's profile: what a prover and its relay may do. Pure, so that a test can hold every line of it.

Anything that is not needed to compute is taken away. The image's own wishes (user, volumes, health checks,
exposed ports) do not count.
"""

from __future__ import annotations

from typing import Any

from gpn_desktop.core.manifest import MIB, Limits

USER = "65532:65532"
RELAY_MEMORY = 64 * MIB
LABEL_NODE = "org.gpn-desktop.node"
LABEL_ROLE = "org.gpn-desktop.role"
LABEL_IMAGE = "org.gpn-desktop.image"
CPU_PERIOD = 100_000  # microseconds
_SHM = 16 * MIB
_MOST_PRIORITY_TO_DIE = (
    1000  # when the host runs out of memory, a prover goes before anything of the operator's
)


def prover(limits: Limits, gpus: tuple[str, ...], volumes: tuple[str, ...]) -> dict[str, Any]:
    """Keyword arguments of the SDK's ``create_host_config`` for a prover.

    Args:
        gpus: UUIDs of the GPUs that it gets; ("all",) for all.
        volumes: paths that the image declares as volumes. Each becomes a small tmpfs: the engine would give
            it a writable folder on the host's disk.
    """
    profile = _common(limits.memory)
    profile["network_mode"] = "none"
    profile["pids_limit"] = limits.pids
    profile["oom_score_adj"] = _MOST_PRIORITY_TO_DIE
    profile["tmpfs"] = {"/tmp": f"rw,noexec,nosuid,nodev,size={limits.tmp}"}
    profile["mounts"] = [
        {"Target": path, "Type": "tmpfs", "ReadOnly": False, "TmpfsOptions": {"SizeBytes": limits.tmp}}
        for path in volumes
        if path != "/tmp"
    ]
    profile |= processors(limits)
    if gpus:
        everything = gpus == ("all",)
        profile["device_requests"] = [
            {
                "Driver": "",
                "Count": -1 if everything else 0,
                "DeviceIDs": None if everything else list(gpus),
                "Capabilities": [["gpu"]],
                "Options": {},
            }
        ]
    return profile


def processors(limits: Limits) -> dict[str, int]:
    """As period and quota, not as the engine's "nano cpus": only these can be changed afterwards."""
    if not limits.cpus:
        return {}
    return {"cpu_period": CPU_PERIOD, "cpu_quota": int(limits.cpus * CPU_PERIOD)}


def relay(prover_id: str) -> dict[str, Any]:
    """The same for the relay of one prover, in the prover's network namespace."""
    profile = _common(RELAY_MEMORY)
    profile["network_mode"] = f"container:{prover_id}"
    profile["pids_limit"] = 16
    return profile


def labels(node_id: str, role: str, image: str) -> dict[str, str]:
    """Several nodes may share one engine: whatever is cleaned up is found by the node's label."""
    return {LABEL_NODE: node_id, LABEL_ROLE: role, LABEL_IMAGE: image}


def _common(memory: int) -> dict[str, Any]:
    return {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "privileged": False,
        "init": True,
        "ipc_mode": "private",
        "shm_size": _SHM,
        "mem_limit": memory,
        "memswap_limit": memory,
        "ulimits": [
            {"Name": "nofile", "Soft": 4096, "Hard": 4096},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        "log_config": {"Type": "json-file", "Config": {"max-size": "5m", "max-file": "2"}},
        "restart_policy": {"Name": "no", "MaximumRetryCount": 0},
    }

"""Every line of the sandbox's profile is meant."""

from __future__ import annotations

from gpn_desktop.adapters.docker import sandbox
from gpn_desktop.core.manifest import Limits

GONE = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "privileged": False,
    "ipc_mode": "private",
    "init": True,
}


def test_a_prover_gets_nothing_but_memory_and_a_small_tmp() -> None:
    profile = sandbox.prover(Limits(memory=1000, tmp=77, pids=9), (), ("/data", "/tmp"))

    assert GONE.items() <= profile.items()
    assert profile["network_mode"] == "none"
    assert (profile["mem_limit"], profile["memswap_limit"], profile["pids_limit"]) == (1000, 1000, 9)
    assert profile["oom_score_adj"] == 1000
    assert profile["tmpfs"] == {"/tmp": "rw,noexec,nosuid,nodev,size=77"}
    assert [(m["Target"], m["Type"], m["TmpfsOptions"]["SizeBytes"]) for m in profile["mounts"]] == [
        ("/data", "tmpfs", 77)
    ]
    other = {"binds", "port_bindings", "devices", "device_requests", "cpu_quota", "volumes_from"}
    assert not other & set(profile)


def test_processors_and_gpus_are_given_as_set() -> None:
    one = sandbox.prover(Limits(cpus=1.5), ("GPU-1",), ())
    everything = sandbox.prover(Limits(), ("all",), ())

    assert one["cpu_quota"] == 1.5 * one["cpu_period"]
    assert one["device_requests"][0]["DeviceIDs"] == ["GPU-1"]
    assert one["device_requests"][0]["Count"] == 0
    assert everything["device_requests"][0]["Count"] == -1
    assert everything["device_requests"][0]["DeviceIDs"] is None


def test_a_relay_joins_its_prover_and_is_bound_as_tightly() -> None:
    profile = sandbox.relay("abc")

    assert GONE.items() <= profile.items()
    assert profile["network_mode"] == "container:abc"
    assert profile["mem_limit"] == profile["memswap_limit"] == sandbox.RELAY_MEMORY


def test_labels_carry_the_nodes_id() -> None:
    assert sandbox.labels("node-1", "prove", "sha256:00")[sandbox.LABEL_NODE] == "node-1"

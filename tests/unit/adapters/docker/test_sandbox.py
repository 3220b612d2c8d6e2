"""Every line of the sandbox's profile is meant."""

from __future__ import annotations

from gpn_desktop.adapters.docker import DockerOptions, sandbox

GONE = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "privileged": False,
    "ipc_mode": "private",
    "init": True,
}


def test_a_prover_gets_nothing_but_memory_and_a_small_tmp() -> None:
    profile = sandbox.prover(
        DockerOptions(memory=1000, scratch=77, pids=9), gpu=True, volumes=["/data", "/tmp"]
    )

    assert GONE.items() <= profile.items()
    assert profile["network_mode"] == "none"
    assert (profile["mem_limit"], profile["memswap_limit"], profile["pids_limit"]) == (1000, 1000, 9)
    assert profile["tmpfs"] == {"/tmp": "rw,noexec,nosuid,nodev,size=77"}
    assert [(m["Target"], m["Type"], m["TmpfsOptions"]["SizeBytes"]) for m in profile["mounts"]] == [
        ("/data", "tmpfs", 77)
    ]
    assert not {"binds", "port_bindings", "devices", "device_requests", "nano_cpus", "volumes_from"} & set(
        profile
    )


def test_processors_and_gpus_are_given_as_set() -> None:
    options = DockerOptions(cpus=1.5, gpus=2)

    assert sandbox.prover(options, gpu=True, volumes=[])["nano_cpus"] == 1_500_000_000
    assert sandbox.prover(options, gpu=True, volumes=[])["device_requests"][0]["Count"] == 2
    assert "device_requests" not in sandbox.prover(options, gpu=False, volumes=[])


def test_a_relay_joins_its_prover_and_is_bound_as_tightly() -> None:
    profile = sandbox.relay("abc")

    assert GONE.items() <= profile.items()
    assert profile["network_mode"] == "container:abc"
    assert profile["mem_limit"] == profile["memswap_limit"] == sandbox.RELAY_MEMORY


def test_labels_carry_the_nodes_id() -> None:
    assert sandbox.labels("node-1", "prove", "sha256:00")[sandbox.LABEL_NODE] == "node-1"

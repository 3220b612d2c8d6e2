"""Where proofs are made: in containers or by the test prover, on this machine or on others too."""

from __future__ import annotations

from dataclasses import dataclass

from gpn_desktop import __version__
from gpn_desktop.adapters.builtin.cheating import CheatingRuntime
from gpn_desktop.adapters.builtin.runtime import BuiltinRuntime
from gpn_desktop.adapters.docker import DockerOptions, DockerRuntime
from gpn_desktop.adapters.gpu import GpuSensors
from gpn_desktop.adapters.system.images import FileImageBook
from gpn_desktop.config import NodeConfig, RuntimeKind
from gpn_desktop.core.errors import ClusterNotInstalled
from gpn_desktop.core.manifest import GIB, MIB, Limits
from gpn_desktop.ports.cluster import Cluster
from gpn_desktop.ports.images import ImageShelf
from gpn_desktop.ports.runtime import ProverRuntime
from gpn_desktop.ports.sensors import Sensors
from gpn_desktop.services.context import Emit
from gpn_desktop.services.images import Images, MemoryImageBook


@dataclass(frozen=True, slots=True)
class Provers:
    """``cluster`` is None where this machine is the only one, ``sensors`` where it proves in no container."""

    runtime: ProverRuntime
    images: Images
    cluster: Cluster | None = None
    sensors: Sensors | None = None


def build_provers(config: NodeConfig, node_id: str, prove_seconds: float, cheat: bool, emit: Emit) -> Provers:
    """What the settings ask for, nothing started yet.

    Raises:
        ClusterNotInstalled
    """
    runtime, shelf = build_runtime(config, node_id, prove_seconds)
    cluster = None
    if config.cluster_listen is not None:
        runtime, cluster = _clustered(config, runtime, emit)
    if cheat:
        runtime = CheatingRuntime(runtime)
    book = MemoryImageBook() if shelf is None else FileImageBook(config.data_dir)
    return Provers(runtime, Images(runtime, shelf, book), cluster, None if shelf is None else GpuSensors())


def build_runtime(
    config: NodeConfig, node_id: str, prove_seconds: float = 0.0
) -> tuple[ProverRuntime, ImageShelf | None]:
    """This machine's own runtime."""
    if config.runtime is RuntimeKind.BUILTIN:
        return BuiltinRuntime(prove_seconds), None
    docker = DockerRuntime(node_id, docker_options(config), GpuSensors())
    return docker, docker.shelf


def docker_options(config: NodeConfig) -> DockerOptions:
    """What the operator lets containers have."""
    caps = Limits(
        memory=config.memory_gib * GIB,
        cpus=config.cpus,
        tmp=config.tmp_mib * MIB,
        pids=config.pids,
        gpu=bool(config.gpus),
        prove_seconds=config.prove_seconds,
    )
    return DockerOptions(
        caps=caps, gpus=config.gpus, slots=config.capacity, max_image=config.max_image_gib * GIB
    )


def _clustered(config: NodeConfig, local: ProverRuntime, emit: Emit) -> tuple[ProverRuntime, Cluster]:
    try:  # an optional extra: nothing of it is imported where it is not asked for
        from gpn_desktop.adapters.cluster.certificates import Authority
        from gpn_desktop.adapters.cluster.runtime import ClusterOptions, ClusterRuntime
    except ImportError as error:
        raise ClusterNotInstalled(f"cluster.listen is set, and a part is missing: {error.name}.") from error
    assert config.cluster_listen is not None
    options = ClusterOptions(*config.cluster_listen, config.capacity, __version__)
    made = ClusterRuntime(local, Authority(config.cluster_path), config.cluster_path, options, emit)
    return made, made

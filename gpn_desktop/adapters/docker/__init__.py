"""The prover runtime on a Docker engine: each image in a sandbox without network.

Prover images are strangers' code. One instance proves, another one validates, so that a proof that hangs
cannot block votes. A prover has no network at all, not even to the host; a relay in its network namespace is
the only way in (resources/relay/relay.c says how it speaks, frames.py is its other end).
"""

from gpn_desktop.adapters.docker.engine import docker_available, local_digest
from gpn_desktop.adapters.docker.options import DockerOptions
from gpn_desktop.adapters.docker.runtime import DockerRuntime

__all__ = ["DockerOptions", "DockerRuntime", "docker_available", "local_digest"]

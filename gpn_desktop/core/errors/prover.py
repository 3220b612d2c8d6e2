"""15xx: engines, images, provers, GPUs and the machines of a cluster."""

from __future__ import annotations

from gpn_desktop.core.errors.base import GpnError
from gpn_desktop.core.errors.setup import ConfigError


class EngineMissing(GpnError):
    code = "GPN-1501"
    remedy = "Install and start Docker, then try again."


class EngineFault(GpnError):
    code = "GPN-1502"
    remedy = "See the Docker engine's log."


class ImageUnavailable(GpnError):
    code = "GPN-1503"
    remedy = "Check the image's name and digest and that its registry answers."


class ImageTooLarge(GpnError):
    code = "GPN-1504"
    remedy = "Raise the image size limit or choose another consumer."


class ProverTimeout(GpnError):
    code = "GPN-1505"
    remedy = "The container was removed. Allow more time if the image is known to be slow."


class ProverFault(GpnError):
    code = "GPN-1506"
    remedy = "The container's log says more. Report it to the image's author."


class ProverLost(GpnError):
    code = "GPN-1507"
    remedy = "The container died; it is started again for the next job."


class ProverOutputTooLarge(GpnError):
    code = "GPN-1508"
    remedy = "The container was removed. Report it to the image's author."


class GpuUnavailable(GpnError):
    code = "GPN-1509"
    remedy = (
        "Install the NVIDIA Container Toolkit, run: sudo nvidia-ctk runtime configure --runtime=docker — "
        "and restart Docker. Or turn GPUs off in the settings."
    )


class ManifestInvalid(GpnError):
    code = "GPN-1510"
    remedy = "Report it to the image's author; the guide for authors describes the manifest."


class ImageQuarantined(GpnError):
    code = "GPN-1511"
    remedy = "See the logs of its last jobs. It is tried again by itself later, or when you release it."


class EngineDenied(EngineMissing):
    code = "GPN-1512"
    remedy = "Run: sudo usermod -aG docker $USER — then log out and in again."


class EngineTooOld(EngineMissing):
    code = "GPN-1513"
    remedy = "Install Docker 20.10 or newer."


class EngineDiskFull(EngineFault):
    code = "GPN-1514"
    remedy = "Free space on the engine's disk (docker system df shows what uses it), or remove unused images."


class RegistryDenied(ImageUnavailable):
    code = "GPN-1515"
    remedy = "Run docker login for the image's registry, as the user that runs this node."


class ImageDamaged(ImageUnavailable):
    code = "GPN-1516"
    remedy = (
        "The registry serves something else than the digest says. Try again; then ask the image's author."
    )


class ImageInUse(GpnError):
    code = "GPN-1517"
    remedy = "Leave the consumer that uses the image, or wait until its containers have stopped."


class ImageNameInvalid(GpnError):
    code = "GPN-1518"
    remedy = "Write HOST/NAME, HOST/NAME:TAG or HOST/NAME@sha256:DIGEST."


class InputRefused(ProverFault):
    """Not the image's fault, but the request's: the image looked at the input and said no."""

    code = "GPN-1519"
    remedy = "The consumer has to correct the input of its request."


class NoSample(GpnError):
    code = "GPN-1524"
    remedy = "Give an input with --data FILE: the image's manifest has no sample."


class ImageNotBuilt(GpnError):
    code = "GPN-1525"
    remedy = "See the build's output above. The folder needs a Dockerfile that builds by itself."


class ClusterNotSetUp(ConfigError):
    code = "GPN-1530"
    remedy = "Run gpn-desktop cluster init on this machine first."


class ClusterNotInstalled(ConfigError):
    code = "GPN-1531"
    remedy = (
        "Install it: pip install 'gpn-desktop[cluster]'. The packaged application proves on one machine only."
    )


class JoinRefused(GpnError):
    code = "GPN-1532"
    remedy = (
        "Make a new code on the node's machine: gpn-desktop cluster join-code. It is good for one worker."
    )


class ClusterUnreachable(GpnError):
    code = "GPN-1533"
    remedy = "Check that the node runs with cluster.listen set, and that this machine reaches it."


class GpuAbsent(GpnError):
    code = "GPN-1520"
    remedy = "Install a GPU and its driver (nvidia-smi lists it then), or serve images that need none."


class GpuUnsupported(GpnError):
    code = "GPN-1521"
    remedy = "Only NVIDIA GPUs can be given to containers so far. Serve images that need none."


class GpuDriverTooOld(GpnError):
    code = "GPN-1522"
    remedy = "Update the NVIDIA driver, then restart the machine and Docker."


class GpuMemoryTooSmall(GpnError):
    code = "GPN-1523"
    remedy = "Serve images that need less GPU memory."

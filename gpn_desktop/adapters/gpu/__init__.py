"""GPUs as their drivers tell of them: NVIDIA by NVML, others only seen."""

from gpn_desktop.adapters.gpu.memory import MemorySensors
from gpn_desktop.adapters.gpu.sensors import GpuSensors

__all__ = ["GpuSensors", "MemorySensors"]

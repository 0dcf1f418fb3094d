"""Amounts of CPU and memory as Kubernetes writes them."""

from __future__ import annotations

from deployer.config.docker import Docker
from deployer.config.kubernetes import Kubernetes
from deployer.manifests.documents import Object, without_empty

UNITS = ("", "Ki", "Mi", "Gi", "Ti")
GPU = "nvidia.com/gpu"


def cpus(number: float) -> str:
    """Return a number of CPUs as a quantity, in thousandths if it is not whole; the least is one thousandth."""
    thousandths = max(1, round(number * 1000))
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def memory(size: int) -> str:
    """Return a number of bytes as a quantity, in the largest binary unit that is exact."""
    unit = 0
    while size % 1024 == 0 and size and unit < len(UNITS) - 1:
        size, unit = size // 1024, unit + 1
    return f"{size}{UNITS[unit]}"


def resources(docker: Docker, settings: Kubernetes) -> Object:
    """Return the limits of `[docker]`, and the requests: those of `[kubernetes]`, or else the limits."""
    limits = without_empty(
        {
            "cpu": None if docker.cpus is None else cpus(docker.cpus),
            "memory": None if docker.memory_bytes is None else memory(docker.memory_bytes),
            GPU: None if docker.gpus is None else str(docker.gpus),
        }
    )
    requested = {
        "cpu": None if settings.cpu_request is None else cpus(settings.cpu_request),
        "memory": None if settings.memory_request_bytes is None else memory(settings.memory_request_bytes),
    }
    return without_empty({"requests": {**limits, **without_empty(requested)}, "limits": limits})

"""The flag `grpc_max_threads`: why deployer sets it, and a warning about low values."""

from __future__ import annotations

from collections.abc import Mapping

GRPC_MAX_THREADS = "grpc_max_threads"
# Threads start when calls need them. With 64, 32 clients on two cores lost no call; 256 is at least the default of
# TensorFlow Serving on up to 64 CPUs.
DEFAULT_THREADS = 256
# The gate and `--measure` make up to 8 concurrent gRPC calls each, and one thread waits for the next call.
FEW_THREADS = 16

REASON = (
    "the server refuses gRPC calls that find no free thread (RESOURCE_EXHAUSTED) instead of queueing them, "
    "and its own default is 4 per CPU"
)
REMEDY = f"leave it out of [server.flags] for deployer's own {DEFAULT_THREADS}, or set {4 * FEW_THREADS} or more"


def with_default_threads(flags: Mapping[str, object]) -> dict[str, object]:
    """Return the flags with `grpc_max_threads`, unless they set it."""
    return {GRPC_MAX_THREADS: DEFAULT_THREADS, **flags}


def low_threads_warning(flags: Mapping[str, object]) -> str:
    """Return the warning about a low number of threads; empty for any other."""
    number = _parse_int(flags.get(GRPC_MAX_THREADS, DEFAULT_THREADS))
    if number is None or number > FEW_THREADS:
        return ""
    concurrent = max(0, number - 1)
    return f"{GRPC_MAX_THREADS} is {number}: a gRPC call is refused while {concurrent} others are under way"


def _parse_int(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None

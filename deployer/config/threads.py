"""Room for concurrent gRPC calls: `grpc_max_threads`, why deployer sets it, and what is said of a low value."""

from __future__ import annotations

from collections.abc import Mapping

GRPC_MAX_THREADS = "grpc_max_threads"
DEFAULT_THREADS = 256
"""Threads are started when calls need them. 64 lost no call of 32 clients on two cores; this is no less than
TensorFlow Serving's own default up to 64 CPUs."""

FEW_THREADS = 16
"""The gate and `--measure` have up to 8 gRPC calls under way each, and one thread waits for the next."""

REASON = (
    "the server refuses gRPC calls that find no free thread (RESOURCE_EXHAUSTED) instead of queueing them, "
    "and its own default is 4 per CPU"
)
REMEDY = f"leave it out of [server.flags] for deployer's own {DEFAULT_THREADS}, or set {4 * FEW_THREADS} or more"


def with_default_threads(flags: Mapping[str, object]) -> dict[str, object]:
    """The flags that a server is started with: those of the user, and room for gRPC calls where they leave it open."""
    return {GRPC_MAX_THREADS: DEFAULT_THREADS, **flags}


def low_threads_warning(flags: Mapping[str, object]) -> str:
    """What to say of a value that is low; empty for any other."""
    number = _parse_int(flags.get(GRPC_MAX_THREADS, DEFAULT_THREADS))
    if number is None or number > FEW_THREADS:
        return ""
    taken = max(0, number - 1)
    return f"{GRPC_MAX_THREADS} is {number}: a gRPC call is refused while {taken} others are under way"


def _parse_int(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None

"""The settings of the model server: ports and flags, `[batching]`, `[monitoring]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from deployer.config.fields import STRICT, at, check_whole, doc
from deployer.config.flags import check_flags
from deployer.config.options import ServerOptions
from deployer.errors import InvalidValue
from deployer.results.deployment import LOOPBACK

MAX_SIZE = 2**31 - 1
MAX_THREADS = 32_768
DAY_MICROS = 86_400_000_000
METRICS_PATH = re.compile(r"/[A-Za-z0-9_./-]{1,200}")
# The paths of the REST API, which ignores case.
API_PATH = re.compile(r"/v1/.*", re.IGNORECASE)
# Clients and servers remove such segments from a path, or take one for a host.
DOT_OR_EMPTY = re.compile(r".*//.*|.*/\.{1,2}(/.*)?")


@dataclass(frozen=True)
class Server(ServerOptions):
    """How the model server listens and runs: `[server]`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    flags: dict[str, str | int | float | bool] = doc("more flags of tensorflow_model_server", default_factory=dict)

    @property
    def address(self) -> str:
        """The address that ports are bound to."""
        return self.host or LOOPBACK

    def __post_init__(self) -> None:
        for name in ("rest_port", "grpc_port"):
            port = getattr(self, name)
            if port is not None and not 0 <= port <= 65535:
                raise InvalidValue(f"port {port} does not exist: 0 to 65535", key_path=(name,))
        if self.rest_port and self.rest_port == self.grpc_port:
            raise InvalidValue(f"REST and gRPC cannot share port {self.rest_port}", key_path=("grpc_port",))
        with at("flags"):
            check_flags(self.flags)


@dataclass(frozen=True)
class Batching:
    """TensorFlow Serving's batching parameters: `[batching]`. Without this table there is no batching."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    max_batch_size: int = doc("the largest batch that is run at once", default=32)
    batch_timeout_micros: int = doc(
        "how long a request waits for others to form a batch, in microseconds", default=1000
    )
    max_enqueued_batches: int = doc("batches that may wait before requests are refused", default=100)
    num_batch_threads: int = doc("batches run in parallel", default=2)
    allowed_batch_sizes: tuple[int, ...] = doc(
        "sizes that batches are padded to, ascending; the last equals max_batch_size", default=()
    )
    pad_variable_length_inputs: bool = doc("pad inputs of unequal length within a batch", default=False)

    def __post_init__(self) -> None:
        check_whole("max_batch_size", self.max_batch_size, 1, MAX_SIZE)
        check_whole("batch_timeout_micros", self.batch_timeout_micros, 0, DAY_MICROS)
        check_whole("max_enqueued_batches", self.max_enqueued_batches, 1, MAX_SIZE)
        check_whole("num_batch_threads", self.num_batch_threads, 1, MAX_THREADS)
        sizes = self.allowed_batch_sizes
        if sizes and (list(sizes) != sorted(set(sizes)) or sizes[0] < 1 or sizes[-1] != self.max_batch_size):
            raise InvalidValue(
                f"allowed_batch_sizes {list(sizes)} must ascend and end with max_batch_size {self.max_batch_size}",
                key_path=("allowed_batch_sizes",),
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The batch sizes that run: the allowed ones, or else the smallest and the largest."""
        return self.allowed_batch_sizes or tuple(sorted({1, self.max_batch_size}))


@dataclass(frozen=True)
class Monitoring:
    """Prometheus metrics on the REST port: `[monitoring]`. Without this table there are none."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    enabled: bool = doc("serve metrics", default=True)
    path: str = doc("path of the metrics", default="/monitoring/prometheus/metrics")

    def __post_init__(self) -> None:
        if not METRICS_PATH.fullmatch(self.path):
            raise InvalidValue(
                f"monitoring path {self.path[:60]!r} must start with '/' and hold letters, digits, '_./-'",
                key_path=("path",),
            )
        if DOT_OR_EMPTY.fullmatch(self.path):
            raise InvalidValue(
                f"monitoring path {self.path[:60]!r} must not have segments that are empty, '.' or '..'",
                key_path=("path",),
            )
        if API_PATH.fullmatch(self.path):
            raise InvalidValue(
                f"monitoring path {self.path[:60]!r} is one of the REST API: clients of it would get metrics",
                hint='path = "/monitoring/prometheus/metrics", or another path that does not begin with /v1/',
                key_path=("path",),
            )

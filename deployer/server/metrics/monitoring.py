"""TensorFlow Serving's metrics by name, and the path of their page.

Sources: `servables/tensorflow/util.cc`, `saved_model_warmup_util.cc`, `batching/batching_session.cc` and
`batching_util.h` of TensorFlow Serving, `cc/saved_model/loader.cc` of TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterable

from deployer.server import declared, text_protos
from deployer.server.flags import Options
from deployer.server.metrics import instruments
from deployer.server.metrics.instruments import Counter, Sampler

DEFAULT_PATH = "/monitoring/prometheus/metrics"
_LATENCIES = instruments.exponential(10, 1.8, 33)
_SIZES = instruments.exponential(1, 2, 14)
_EXAMPLES = instruments.exponential(1, 2, 15)


def path_from_options(options: Options) -> str | None:
    """Return the path of the metrics page; None without monitoring. Raises ServingError."""
    file = options.text("monitoring_config_file")
    if not file:
        return None
    config = text_protos.read(file, declared.message_class(declared.MONITORING)()).prometheus_config
    return (config.path or DEFAULT_PATH) if config.enable else None


class Metrics:
    """Every metric of the server."""

    def __init__(self) -> None:
        serving, loader = "/tensorflow/serving", "/tensorflow/cc/saved_model"
        batching = f"{serving}/batching_session"
        self.request_count = Counter(f"{serving}/request_count", ("model_name", "status"))
        self.request_latency = Sampler(f"{serving}/request_latency", ("model_name", "API", "entrypoint"), _LATENCIES)
        self.runtime_latency = Sampler(f"{serving}/runtime_latency", ("model_name", "API", "runtime"), _LATENCIES)
        self.example_counts = Sampler(f"{serving}/request_example_counts", ("model",), _EXAMPLES)
        self.example_count_total = Counter(f"{serving}/request_example_count_total", ("model",))
        self.warmup_latency = Sampler(f"{serving}/model_warmup_latency", ("model_path", "status"), _LATENCIES)
        self.warmup_records_read = Counter(f"{serving}/model_warmup_records_read", ("model_path", "status"))
        self.load_attempt_count = Counter(f"{loader}/load_attempt_count", ("model_path", "status"))
        self.load_latency = Counter(f"{loader}/load_latency", ("model_path",))
        self.queuing_latency = Sampler(
            f"{batching}/queuing_latency", ("thread_pool_name",), instruments.exponential(100, 1.2, 52)
        )
        self.wrapped_run_count = Counter(f"{batching}/wrapped_run_count")
        self.padding_size = Sampler(f"{batching}/padding_size", ("execution_batch_size",), _SIZES)
        self.input_batch_size = Sampler(f"{batching}/input_batch_size", (), _SIZES)
        self.processed_batch_size = Sampler(f"{batching}/processed_batch_size", (), _SIZES)

    def page(self) -> bytes:
        """Return the metrics in Prometheus format."""
        return instruments.page(list(vars(self).values()))

    def record_inputs(self, tensors: int, rows: int) -> None:
        """Record the inputs of a request that is batched."""
        for _ in range(tensors):
            self.input_batch_size.add(rows)

    def record_batch(self, waits: Iterable[float], size: int, padded: int) -> None:
        """Record a batch before it runs: the waiting times of its tasks in seconds, its rows and its padded size."""
        for seconds in waits:
            self.queuing_latency.add(round(seconds * 1e6), "")
        self.padding_size.add(padded - size, str(padded))
        self.processed_batch_size.add(padded)
        self.wrapped_run_count.add()

    def record_warm_up(self, path: str, records: int, seconds: float) -> None:
        """Record a successful warm-up of a version directory."""
        self.warmup_latency.add(round(seconds * 1e6), path, "OK")
        self.warmup_records_read.add(path, "OK", by=records)

"""Load a version directory as a model: read, batched, measured and warmed up, according to the flags."""

from __future__ import annotations

import contextlib
import time

from google.protobuf.message import Message

from deployer.server import servable, text_protos
from deployer.server.batching import config as batching_config
from deployer.server.batching.model import Batching
from deployer.server.flags import Options
from deployer.server.log import LOG
from deployer.server.metrics.measuring import MeasuredModel, count_load
from deployer.server.metrics.monitoring import Metrics
from deployer.server.runtime import config_pb2
from deployer.server.servable import LoadOptions, Model, SavedModel
from deployer.server.warmup import warm_up


class Loader:
    """Loads versions; may be called from several threads."""

    def __init__(self, options: Options, metrics: Metrics | None) -> None:
        config = batching_config.from_options(options)
        self._batching = None if config is None else Batching(config, metrics)
        self._options = _load_options(options)
        self._has_warmup = options.on("enable_model_warmup")
        self._iterations = options.number("num_request_iterations_for_warmup")
        self._metrics = metrics

    def __call__(self, name: str, path: str) -> Model:
        """Load a version directory. Raises ServingError."""
        saved = self._read(path)
        try:
            model = self._batching.wrap(saved, path) if self._batching else saved
            if self._has_warmup:
                self._warm_up(model, path)
        except BaseException:
            saved.close()
            raise
        return MeasuredModel(name, model, self._metrics) if self._metrics else model

    def _read(self, path: str) -> SavedModel:
        with count_load(path, self._metrics) if self._metrics else contextlib.nullcontext():
            return servable.load(path, self._options)

    def _warm_up(self, model: Model, path: str) -> None:
        start = time.perf_counter()
        records = warm_up(model, path, self._iterations)
        if records and self._metrics:
            self._metrics.record_warm_up(path, records, time.perf_counter() - start)


def _load_options(options: Options) -> LoadOptions:
    intra, inter = options.number("tensorflow_intra_op_parallelism"), options.number("tensorflow_inter_op_parallelism")
    if not intra and not inter:
        intra = inter = options.number("tensorflow_session_parallelism")
    return LoadOptions(
        tags=tuple(options.text("saved_model_tags").split(",")),
        intra_op_threads=intra,
        inter_op_threads=inter,
        gpu_memory_fraction=options.real("per_process_gpu_memory_fraction"),
        session_config=_session_config(options.text("tensorflow_session_config_file")),
        bfloat16=_bfloat16(options.text("mixed_precision")),
    )


def _bfloat16(mixed_precision: str) -> bool:
    """Return whether automatic mixed precision is requested; bfloat16 is the only kind."""
    if mixed_precision == "bfloat16":
        LOG.info("Running inference with bfloat16 auto mixed precision")
    elif mixed_precision:
        LOG.warning("%s auto mixed precision is not supported. Valid option: bfloat16", mixed_precision)
    return mixed_precision == "bfloat16"


def _session_config(path: str) -> Message | None:
    return text_protos.read(path, config_pb2.ConfigProto()) if path else None

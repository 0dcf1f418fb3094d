"""Parse BatchingParameters text protos, with TensorFlow Serving's checks and messages. Needs no TensorFlow.

Sources: `servables/tensorflow/bundle_factory_util.*` of TensorFlow Serving, `batching_util/shared_batch_scheduler.h` of
TensorFlow.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from google.protobuf.message import Message

from deployer.server import declared, text_protos
from deployer.server.flags import Options
from deployer.server.status import invalid

VERSION_FILE = "batching_params.pbtxt"
_DEFAULT_MAX_BATCH_SIZE = 1000
_DEFAULT_ENQUEUED_BATCHES = 10
_SIZES = 1 << 64


@dataclasses.dataclass(frozen=True)
class BatchRules:
    """The batching parameters of one model; sizes are rows, along dimension 0."""

    max_batch_size: int = _DEFAULT_MAX_BATCH_SIZE
    timeout_seconds: float = 0.0
    max_enqueued_batches: int = _DEFAULT_ENQUEUED_BATCHES
    splits: bool = False
    max_execution_size: int = _DEFAULT_MAX_BATCH_SIZE
    allowed_sizes: tuple[int, ...] = ()
    pads: bool = False

    def padded(self, size: int) -> int:
        """Return the padded size of a batch: the first allowed size that holds it."""
        for allowed in self.allowed_sizes:
            if allowed >= size:
                return allowed
        return size

    def checked(self) -> BatchRules:
        """Return the rules themselves. Raises ServingError (INVALID_ARGUMENT) if they contradict each other."""
        if self.allowed_sizes and self.allowed_sizes[-1] != self.max_batch_size:
            raise invalid(
                "Last entry in allowed_batch_sizes must match max_batch_size; last entry was "
                f"{self.allowed_sizes[-1]}; expected {self.max_batch_size}"
            )
        if not self.max_batch_size:
            raise invalid("input_batch_size_limit must be positive; was 0")
        if self.timeout_seconds < 0:
            raise invalid(f"batch_timeout_micros must be non-negative; was {round(self.timeout_seconds * 1e6)}")
        if not self.max_enqueued_batches:
            raise invalid("max_enqueued_batches must be positive; was 0")
        if self.splits and self.max_batch_size < self.max_execution_size:
            raise invalid(
                "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
                f"max_execution_batch_size.1{self.max_batch_size}{self.max_execution_size}"
            )
        return self


def rules(message: Message) -> BatchRules:
    """Return the rules of a BatchingParameters message. Raises ServingError (INVALID_ARGUMENT)."""
    splits = message.enable_large_batch_splitting.value
    max_size = _size(message, "max_batch_size", _DEFAULT_MAX_BATCH_SIZE)
    enqueued = _size(message, "max_enqueued_batches", _DEFAULT_ENQUEUED_BATCHES)
    return BatchRules(
        max_batch_size=max_size,
        timeout_seconds=message.batch_timeout_micros.value / 1e6,
        max_enqueued_batches=enqueued if splits else max(1, enqueued),
        splits=splits,
        max_execution_size=_execution_size(message) if splits else max_size,
        allowed_sizes=tuple(message.allowed_batch_sizes),
        pads=message.pad_variable_length_inputs,
    ).checked()


def _execution_size(message: Message) -> int:
    """Return the largest batch to run when requests are split; TensorFlow Serving's default is 0."""
    return _size(message, "max_execution_batch_size", _size(message, "max_batch_size", 0))


def _size(message: Message, field: str, default: int) -> int:
    """Return an integer that TensorFlow stores unsigned: a negative one becomes huge."""
    return getattr(message, field).value % _SIZES if message.HasField(field) else default


@dataclasses.dataclass(frozen=True)
class BatchingConfig:
    """The batching flags: the common BatchingParameters, and whether versions have their own."""

    common: Message
    per_version: bool = False

    @property
    def threads(self) -> int:
        """The number of batches that run at the same time, over all models."""
        common = self.common
        return common.num_batch_threads.value if common.HasField("num_batch_threads") else os.cpu_count() or 1

    @property
    def thread_name(self) -> str:
        """The name of those threads."""
        return self.common.thread_pool_name.value or "batch_threads"

    def rules(self, version_directory: str) -> BatchRules | None:
        """Return the rules of one version; None if it is not batched. Raises ServingError."""
        if not self.per_version:
            return rules(self.common)
        file = Path(version_directory, VERSION_FILE)
        return (
            rules(text_protos.read(str(file), declared.message_class(declared.BATCHING)())) if file.exists() else None
        )


def from_options(options: Options) -> BatchingConfig | None:
    """Return the batching configuration of the flags; None without batching. Raises ServingError."""
    if not options.on("enable_batching"):
        if options.text("batching_parameters_file"):
            raise invalid(
                "server_options.batching_parameters_file is set without setting server_options.enable_batching to true."
            )
        return None
    common = declared.message_class(declared.BATCHING)()
    if path := options.text("batching_parameters_file"):
        text_protos.read(path, common)
    else:
        common.thread_pool_name.value = "model_server_batch_threads"
    config = BatchingConfig(common, options.on("enable_per_model_batching_parameters"))
    if config.threads < 1:
        raise invalid(f"num_batch_threads must be positive; was {config.threads}")
    return config

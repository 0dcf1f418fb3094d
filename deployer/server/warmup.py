"""Warm-up records: requests that a version runs before it serves.

Source: `servables/tensorflow/saved_model_warmup_util.cc`. A failing record makes the load fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import Message

from deployer.server import examples, predict
from deployer.server.log import LOG
from deployer.server.runtime import DecodeError, OpError, prediction_log_pb2, tf_record_iterator
from deployer.server.servable import Model
from deployer.server.status import Code, ServingError, invalid

FILE = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000


def warm_up(model: Model, path: str, iterations: int) -> int:
    """Replay the records of a version directory and return their number. Raises ServingError."""
    file = Path(path) / FILE
    if not file.exists():
        LOG.info("No warmup data file found at %s", file)
        return 0
    LOG.info("Starting to read warmup data for model at %s", file)
    count = 0
    for record in records(file):
        count += 1
        if count > MAX_RECORDS:
            raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {file}")
        for _ in range(max(1, iterations)):
            replay(model, parsed(record, file))
    LOG.info("Finished reading warmup data for model at %s. Number of warmup records read: %d.", file, count)
    return count


def records(file: Path) -> Iterator[bytes]:
    """Yield the records of a file. Raises ServingError if it is damaged."""
    try:
        yield from tf_record_iterator(str(file))
    except OpError as error:
        text = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise ServingError(Code.DATA_LOSS, text) from error


def parsed(record: bytes, file: Path) -> Message:
    """Parse a record as a PredictionLog. Raises ServingError."""
    try:
        return prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError as error:
        raise invalid(f"Failed to parse warmup record: {record!r:.100} from {file}") from error


def replay(model: Model, log: Message, timeout_ms: int = 0) -> None:
    """Run the request of a record. Raises ServingError."""
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        predict.run_request(model, log.predict_log.request, timeout_ms)
    elif kind == "classify_log":
        examples.classify(_call(model, log.classify_log.request, timeout_ms))
    elif kind == "regress_log":
        examples.regress(_call(model, log.regress_log.request, timeout_ms))
    elif kind == "multi_inference_log":
        request = log.multi_inference_log.request
        examples.infer(model, request.tasks, examples.serialized(request.input), predict.RunOptions(timeout_ms))
    elif kind is not None:
        number = log.DESCRIPTOR.fields_by_name[kind].number
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")


def _call(model: Model, request: Message, timeout_ms: int) -> examples.Call:
    return examples.Call(
        model, request.model_spec.signature_name, examples.serialized(request.input), timeout_ms=timeout_ms
    )

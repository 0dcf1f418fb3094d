"""The golden set: TensorFlow's answers at export, stored with the version and requested from every server.

On disk it is `assets.extra/golden.tfrecord`: `PredictionLog` records with request and response, TensorFlow Serving's
own format for recorded traffic, without pickle. This module reads and compares; `export.golden` records.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError, Message

from deployer.client import tf_examples
from deployer.errors import GoldenError
from deployer.savedmodel import lfs_pointers, tensors
from deployer.savedmodel.layout import GOLDEN_FILE
from deployer.savedmodel.messages import message_class

if TYPE_CHECKING:
    from deployer.savedmodel.tensors import Array

MAX_RECORD = 2**31


@dataclass(frozen=True)
class GoldenCase:
    """A request and its answer: arrays by input and output name; `method` is predict, classify or regress.

    Classify and regress have one input of serialized tf.Example messages, and outputs as `tf_examples` returns them.
    """

    signature: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    method: str = tf_examples.PREDICT


@dataclass(frozen=True)
class Tolerance:
    """The allowed difference of numbers: |served - golden| <= absolute + relative * |golden|.

    None selects the dtype's default, which allows for another batch size or thread count and is far too narrow for
    another model. Integers, booleans and strings must be equal.
    """

    relative: float | None = None
    absolute: float | None = None

    def of(self, dtype: str) -> tuple[float, float]:
        """Return (relative, absolute) for a dtype."""
        relative, absolute = DEFAULT_TOLERANCE.get(dtype, (0.0, 0.0))
        if dtype not in DEFAULT_TOLERANCE:
            return relative, absolute
        return (
            relative if self.relative is None else self.relative,
            absolute if self.absolute is None else self.absolute,
        )


DEFAULT_TOLERANCE = {
    "float64": (1e-6, 1e-9),
    "float32": (1e-4, 1e-5),
    "float16": (1e-2, 1e-3),
    "bfloat16": (5e-2, 1e-2),
    "complex64": (1e-4, 1e-5),
    "complex128": (1e-6, 1e-9),
}


@dataclass(frozen=True)
class Difference:
    """The largest distance between an answer and its golden one; `fault` is set if it exceeds the tolerance."""

    worst: float
    fault: str | None = None


def read(version_directory: Path) -> tuple[GoldenCase, ...]:
    """Return the golden cases of a version; empty if it has no golden set.

    Raises GoldenError for a damaged file, BrokenModel for a Git LFS pointer.
    """
    path = version_directory / GOLDEN_FILE
    if not path.is_file():
        return ()
    lfs_pointers.check((path,))
    try:
        return tuple(_case(_parsed(record)) for record in records(path))
    except (GoldenError, DecodeError) as error:
        raise GoldenError(
            f"the golden set {path} is damaged", hint="deployer export SOURCE --force makes a new version"
        ) from error


def to_record(case: GoldenCase) -> bytes:
    """Return a case as the bytes of one `PredictionLog`."""
    log = request_log(case)
    record = getattr(log, f"{case.method}_log")
    if case.method == tf_examples.PREDICT:
        for name, array in case.outputs.items():
            record.response.outputs[name].CopyFrom(tensors.to_proto(array))
    else:
        tf_examples.fill_response(record.response, case.method, case.outputs)
    return bytes(log.SerializeToString(deterministic=True))


def request_log(case: GoldenCase) -> Message:
    """Return the request alone as a `PredictionLog`, as a warm-up file holds it."""
    log = message_class("tensorflow.serving.PredictionLog")()
    request = getattr(log, f"{case.method}_log").request
    request.model_spec.signature_name = case.signature
    if case.method == tf_examples.PREDICT:
        for name, array in case.inputs.items():
            request.inputs[name].CopyFrom(tensors.to_proto(array))
    else:
        tf_examples.fill_input(request.input, case.inputs[tf_examples.INPUT].tolist())
    return log


def _parsed(record: bytes) -> Message:
    log = message_class("tensorflow.serving.PredictionLog").FromString(record)
    if log.WhichOneof("log_type") not in ("predict_log", "classify_log", "regress_log"):
        raise GoldenError("a record that is no predict, classify or regress")
    return log


def _case(log: Message) -> GoldenCase:
    method = log.WhichOneof("log_type").removesuffix("_log")
    if method != tf_examples.PREDICT:
        return _case_of_examples(getattr(log, f"{method}_log"), method)
    request, response = log.predict_log.request, log.predict_log.response
    return GoldenCase(
        request.model_spec.signature_name,
        {name: tensors.from_proto(request.inputs[name]) for name in sorted(request.inputs)},
        {name: tensors.from_proto(response.outputs[name]) for name in sorted(response.outputs)},
    )


def _case_of_examples(record: Message, method: str) -> GoldenCase:
    inputs = {tf_examples.INPUT: tf_examples.from_input(record.request.input)}
    outputs = tf_examples.from_response(record.response, method)
    return GoldenCase(record.request.model_spec.signature_name, inputs, outputs, method)


def records(path: Path) -> Iterator[bytes]:
    """Yield the records of a TFRecord file: length (8 bytes), checksum (4), data, checksum (4).

    Raises GoldenError if the file is truncated or is not a TFRecord file.
    """
    with path.open("rb") as file:
        while header := file.read(12):
            length = struct.unpack("<Q", header[:8])[0] if len(header) == 12 else MAX_RECORD
            data = file.read(length) if length < MAX_RECORD else b""
            if len(data) != length or len(file.read(4)) != 4:
                raise GoldenError(f"{path} is no TFRecord, or it is damaged")
            yield data


def is_binary_output(output: str, array: Array) -> bool:
    """Return whether REST would answer an output with invalid JSON: bytes that are not UTF-8.

    An output whose name ends with `_bytes` is sent as base64.
    """
    if tensors.dtype_of(array) != "string" or output.endswith("_bytes"):
        return False
    return not all(_is_utf8(tensors.as_bytes(value)) for value in array.ravel().tolist())


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def compare(golden: Array, served: Array, tolerance: Tolerance, *, shape_only: bool = False) -> Difference:
    """Compare dtype, shape and values of a served array with the golden one; `shape_only` skips the values."""
    expected, actual = tensors.dtype_of(golden), tensors.dtype_of(served)
    if expected != actual:
        return Difference(float("inf"), f"dtype {actual}, not {expected}")
    if golden.shape != served.shape:
        return Difference(float("inf"), f"shape {list(served.shape)}, not {list(golden.shape)}")
    if shape_only:
        return Difference(0.0)
    if expected in DEFAULT_TOLERANCE:
        return _compare_numbers(golden, served, *tolerance.of(expected))
    return _compare_exactly(golden, served)


def _compare_numbers(golden: Array, served: Array, relative: float, absolute: float) -> Difference:
    import numpy as np

    dtype = np.complex128 if golden.dtype.kind == "c" else np.float64
    expected, actual = golden.astype(dtype), served.astype(dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        same = (expected == actual) | (np.isnan(expected) & np.isnan(actual))
        distance = np.where(same, 0.0, np.abs(actual - expected))
        allowed = absolute + relative * np.abs(expected)
    distance = np.where(np.isnan(distance), np.inf, distance)
    bad = ~(same | (np.isfinite(expected) & (distance <= allowed)))
    worst = float(distance.max(initial=0.0))
    if not bad.any():
        return Difference(worst)
    return Difference(worst, _first_fault(golden, served, bad))


def _compare_exactly(golden: Array, served: Array) -> Difference:
    bad = golden != served
    if not bad.any():
        return Difference(0.0)
    return Difference(float("inf"), _first_fault(golden, served, bad))


def _first_fault(golden: Array, served: Array, bad: Array) -> str:
    import numpy as np

    where = tuple(int(index) for index in np.argwhere(bad)[0]) if bad.ndim else ()
    actual, expected = f"{served[where]!s:.40}", f"{golden[where]!s:.40}"
    return f"{int(bad.sum())} of {bad.size} values differ, first at {list(where)}: {actual}, not {expected}"
